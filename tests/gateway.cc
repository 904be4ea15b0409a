// SPDX-License-Identifier: MIT
#include "tests/gateway.h"

#include <gtest/gtest.h>

#include <charconv>
#include <stdexcept>

#include "engine/keygen.h"

namespace onced {
namespace {

std::string FileFor(const GatewayLines& lines, const std::string& url) {
  return "[gateway]\n" + lines.gateway + "\n[[gateway.upstream]]\nname = \"service\"\nurl = \"" +
         url + "\"\n" + lines.upstream +
         "\n[[gateway.route]]\nname = \"default\"\nprefix = \"/\"\nupstream = \"service\"\n" +
         lines.route + "\n";
}

std::string FaultOfReplay(const HttpAnswer& replay, const HttpAnswer& first,
                          const std::string& status) {
  std::string fault;
  const auto want = [&](const std::string& what, const std::string& is, const std::string& wanted) {
    if (is != wanted) {
      fault +=
          what + " is \"" + is.substr(0, 200) + "\" and not \"" + wanted.substr(0, 200) + "\"; ";
    }
  };
  want("status", std::to_string(replay.status), std::to_string(first.status));
  want("body", replay.body, first.body);
  want("Idempotent-Replayed", replay.Header("Idempotent-Replayed"), "true");
  want("Idempotency-Status", replay.Header("Idempotency-Status"), status);
  for (const char* same : {"Content-Type", "Content-Language", "Content-Encoding", "Location",
                           "ETag", "Idempotency-Key", "Idempotency-Expires"}) {
    want(same, replay.Header(same), first.Header(same));
  }
  return fault;
}

}  // namespace

uint16_t GatewayPort(const Program& program) {
  const std::string said = program.Said();
  uint16_t port = program.ListeningPort("gateway");
  for (const std::string words :
       {"  gateway    http://127.0.0.1:", "  gateway    https://127.0.0.1:"}) {
    const size_t at = said.find(words);
    if (at == std::string::npos) continue;
    std::from_chars(said.data() + at + words.size(), said.data() + said.size(), port);
  }
  return port;
}

Headers Keyed(const std::string& key, const Headers& more) {
  Headers headers = more;
  if (!key.empty()) headers.insert(headers.begin(), {"Idempotency-Key", key});
  return headers;
}

GatewayInAFolder::GatewayInAFolder(const GatewayLines& lines, const std::vector<std::string>& more)
    : flags({"--durability", "os", "--gateway", "127.0.0.1:0"}) {
  if (lines.route.empty() && lines.upstream.empty() && lines.gateway.empty()) {
    flags.insert(flags.end(), {"--upstream", upstream.url()});
  } else {
    WriteFile(folder.path("onced.toml"), FileFor(lines, upstream.url()));
    flags.insert(flags.end(), {"--config", folder.path("onced.toml")});
  }
  flags.insert(flags.end(), more.begin(), more.end());
  program = std::make_unique<Program>(folder.path(), flags);
  port = GatewayPort(*program);
  if (port == 0) throw std::runtime_error("no gateway: " + program->Said());
}

void GatewayInAFolder::Crash() {
  program->Kill();
  program = std::make_unique<Program>(folder.path(), flags);
  port = GatewayPort(*program);
}

HttpAnswer GatewayInAFolder::Ask(std::string_view method, std::string_view target,
                                 std::string_view body, const Headers& headers) const {
  return Connect().Ask(method, target, body, headers);
}

HttpAnswer GatewayInAFolder::Post(const std::string& key, const std::string& target,
                                  const std::string& body, const Headers& more) const {
  return Ask("POST", target, body, Keyed(key, more));
}

Client GatewayInAFolder::Begin(const std::string& key, const std::string& target,
                               const std::string& body, const Headers& more) const {
  Client client = Connect();
  EXPECT_TRUE(client.Send(RequestText("POST", target, body, Keyed(key, more))));
  return client;
}

std::string GatewayInAFolder::Scope(const std::string& principal, const std::string& route) {
  return "gw:" + route + ":" + Sha256Hex(principal).substr(0, 32);
}

HttpAnswer GatewayInAFolder::Record(const std::string& key, const std::string& principal) const {
  return program->Ask("GET", "/v1/keys/" + key + "?scope=" + Scope(principal));
}

std::string GatewayInAFolder::State(const std::string& key, const std::string& principal) const {
  return Record(key, principal).Field("/state");
}

HttpAnswer GatewayInAFolder::Resolve(const std::string& key, const std::string& decision,
                                     const std::string& result) const {
  const std::string more = result.empty() ? "" : ",'result':" + result;
  return program->Ask("POST", "/v1/resolve",
                      Json("{'key':'" + key + "','scope':'" + Scope() + "','decision':'" +
                           decision + "'" + more + "}"));
}

void ExpectCreated(const HttpAnswer& answer, const std::string& key, const char* file, int line) {
  if (answer.Header("Idempotency-Status") == "created" && answer.Header("Idempotency-Key") == key &&
      answer.Header("Idempotent-Replayed").empty() &&
      answer.Header("Idempotency-Expires").ends_with(" GMT")) {
    return;
  }
  ADD_FAILURE_AT(file, line) << "not told as a first run of " << key << ": "
                             << ::testing::PrintToString(answer);
}

void ExpectReplay(const HttpAnswer& replay, const HttpAnswer& first, const std::string& status,
                  const char* file, int line) {
  const std::string fault = FaultOfReplay(replay, first, status);
  if (!fault.empty()) ADD_FAILURE_AT(file, line) << fault;
}

}  // namespace onced

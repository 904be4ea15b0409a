// SPDX-License-Identifier: MIT
// How the gateway is reached, and what it reaches: over TLS, over a unix socket, and not itself.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/certificates.h"
#include "tests/gateway.h"
#include "tests/raw_upstream.h"
#include "tests/tls_client.h"

namespace onced {
namespace {

// The program with the routes of a file.
struct GatewayByFile {
  explicit GatewayByFile(const std::string& file, std::vector<std::string> flags = {}) {
    WriteFile(folder.path("onced.toml"), file);
    flags.insert(flags.end(), {"--durability", "os", "--gateway", "127.0.0.1:0", "--config",
                               folder.path("onced.toml")});
    program = std::make_unique<Program>(folder.path(), flags);
    port = GatewayPort(*program);
  }
  TempFolder folder;
  std::unique_ptr<Program> program;
  uint16_t port = 0;
};

std::string FileFor(const std::string& url, const std::string& upstream = "",
                    const std::string& gateway = "") {
  return "[gateway]\n" + gateway + "\n[[gateway.upstream]]\nname = \"a\"\nurl = \"" + url + "\"\n" +
         upstream + "\n[[gateway.route]]\nname = \"r\"\nprefix = \"/\"\nupstream = \"a\"\n";
}

// The upstream is onced itself: its API over TLS.
TEST(GatewayReach, SpeaksTlsToAnUpstreamItTrusts) {
  CertificateFolder certificates;
  certificates.Make("ca", {.authority = true});
  certificates.Make("server", {.issuer = "ca"});
  certificates.Make("other", {.authority = true});
  const TempFolder folder;
  const Program service(folder.path(),
                        {"--durability", "os", "--tls-cert", certificates.certificate("server"),
                         "--tls-key", certificates.key("server")});
  const std::string url = "https://127.0.0.1:" + std::to_string(service.port());
  const auto trusting = [&](const std::string& name) {
    return FileFor(url, "ca_file = \"" + certificates.certificate(name) + "\"");
  };
  const std::string payment = R"({"amount":100,"currency":"EUR"})";
  const Headers headers = {{"Idempotency-Key", "k"}, {"Content-Type", "application/json"}};
  {
    const GatewayByFile here(trusting("ca"));
    const HttpAnswer first = Client(here.port).Ask("POST", "/api/payments", payment, headers);
    EXPECT_EQ(first.status, 201) << first.body;
    ExpectReplay(Client(here.port).Ask("POST", "/api/payments", payment, headers), first);
    EXPECT_EQ(Client(here.port).Ask("GET", "/api/payments").Count("/payments"), 1u);
  }
  const GatewayByFile here(trusting("other"));
  ExpectProblem(Client(here.port).Ask("POST", "/api/payments", payment, headers), 502,
                "upstream_unreachable");
  EXPECT_EQ(here.program->Ask("GET", "/v1/keys?scope_prefix=gw:").Count("/keys"), 0u)
      << "nothing was sent, so the key is free";
}

TEST(GatewayReach, SpeaksToAServiceOnAUnixSocket) {
  const TempFolder folder;
  std::atomic<int> hits{0};
  const RawUpstream service(
      [&](RawPeer& peer) {
        for (std::string request; !(request = peer.ReadRequest()).empty();) {
          EXPECT_NE(request.find("\r\nHost: localhost\r\n"), std::string::npos) << request;
          peer.Send(Ok("hit " + std::to_string(hits.fetch_add(1) + 1)));
        }
      },
      folder.path("service.sock"));
  const GatewayByFile here(FileFor("unix:" + folder.path("service.sock")));
  const Headers headers = {{"Idempotency-Key", "k"}};
  const HttpAnswer first = Client(here.port).Ask("POST", "/pay", "{}", headers);
  EXPECT_EQ(first.body, "hit 1");
  ExpectReplay(Client(here.port).Ask("POST", "/pay", "{}", headers), first);
  EXPECT_EQ(Client(here.port).Ask("GET", "/pay").body, "hit 2");
}

TEST(GatewayReach, ACertificateSaysWhoseAKeyIs) {
  CertificateFolder certificates;
  certificates.Make("ca", {.authority = true});
  for (const char* name : {"server", "ann", "bob"}) certificates.Make(name, {.issuer = "ca"});
  const ScriptedUpstream upstream;
  const GatewayByFile here(
      FileFor(upstream.url(), "", "principal = \"certificate\""),
      {"--tls-cert", certificates.certificate("server"), "--tls-key", certificates.key("server"),
       "--tls-client-ca", certificates.certificate("ca")});
  const auto post = [&](const std::string& name) {
    TlsClient client(here.port, {.authority = certificates.certificate("ca"),
                                 .certificate = certificates.certificate(name),
                                 .key = certificates.key(name)});
    return client.Ask("POST", "/pay", "{}", {{"Idempotency-Key", "k"}});
  };
  const HttpAnswer ann = post("ann");
  EXPECT_EQ(ann.body, "POST /pay 1\n");
  EXPECT_EQ(upstream.last().Header("X-Forwarded-Proto"), "https");
  EXPECT_EQ(post("bob").body, "POST /pay 2\n");
  ExpectReplay(post("ann"), ann);
  EXPECT_EQ(upstream.hits(), 2u);
}

// It went round until all connections were used up.
TEST(GatewayReach, ARequestThatComesBackIsRefused) {
  const uint16_t port = FreePort();
  const GatewayByFile there(FileFor("http://127.0.0.1:" + std::to_string(port)));
  const TempFolder folder;
  const Program here(folder.path(),
                     {"--durability", "os", "--gateway", "127.0.0.1:" + std::to_string(port),
                      "--upstream", "http://127.0.0.1:" + std::to_string(there.port)});
  ExpectProblem(Client(port).Ask("GET", "/pay"), 508, "loop_detected");
}

}  // namespace
}  // namespace onced

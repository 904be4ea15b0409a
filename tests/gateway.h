// SPDX-License-Identifier: MIT
// GatewayInAFolder: the real program with a gateway before a scripted upstream, in a folder of its
// own, and short words for what the tests of the gateway ask.
//
// Threads: as Program and ScriptedUpstream.
// Invariants: nothing outlives the object, and the upstream outlives the program.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/program.h"
#include "tests/scripted_upstream.h"

namespace onced {

// Lines of the configuration file, for each of its tables. Without any there is no file: the
// one-line case, `--gateway ADDR --upstream URL`.
struct GatewayLines {
  std::string route;
  std::string upstream;
  std::string gateway;
};

// For a test that fails on purpose more often than the breaker would stand.
constexpr char kPatientBreaker[] =
    "[gateway.upstream.breaker]\nfailures_in_row = 100000\nrate_calls_min = 100000\n";

struct GatewayInAFolder {
  explicit GatewayInAFolder(const GatewayLines& lines = {},
                            const std::vector<std::string>& flags = {});

  // On a connection of its own. A POST has the key, as the header's bytes, unless it is empty.
  HttpAnswer Post(const std::string& key, const std::string& target = "/pay",
                  const std::string& body = "{}", const Headers& more = {}) const;
  HttpAnswer Ask(std::string_view method, std::string_view target, std::string_view body = "",
                 const Headers& headers = {}) const;
  // A POST under way, whose answer nobody has asked for yet.
  Client Begin(const std::string& key, const std::string& target = "/pay",
               const std::string& body = "{}", const Headers& more = {}) const;
  Client Connect() const { return Client(port); }

  // "in_flight", "completed", "unknown", or "" when there is no such key.
  std::string State(const std::string& key, const std::string& principal = "") const;
  HttpAnswer Record(const std::string& key, const std::string& principal = "") const;
  // `result`: of a decision to complete, as JSON.
  HttpAnswer Resolve(const std::string& key, const std::string& decision,
                     const std::string& result = "") const;
  // `kill -9`, and the program again on the same data and with the same flags.
  void Crash();

  static std::string Scope(const std::string& principal = "", const std::string& route = "default");

  TempFolder folder;
  ScriptedUpstream upstream;
  std::vector<std::string> flags;
  std::unique_ptr<Program> program;
  uint16_t port = 0;  // the gateway's
};

// The port that the banner tells for the gateway; 0 when it tells none.
uint16_t GatewayPort(const Program& program);

Headers Keyed(const std::string& key, const Headers& more = {});

// What a client is told that its request is done: the first time, and ever after. Failures are
// reported at the line of the caller.
void ExpectCreated(const HttpAnswer& answer, const std::string& key,
                   const char* file = __builtin_FILE(), int line = __builtin_LINE());
void ExpectReplay(const HttpAnswer& replay, const HttpAnswer& first,
                  const std::string& status = "replayed", const char* file = __builtin_FILE(),
                  int line = __builtin_LINE());

}  // namespace onced

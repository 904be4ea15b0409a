// SPDX-License-Identifier: MIT
#include "bench/wrk.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <sstream>

#include "bench/child.h"

namespace onced::bench {
namespace {

// wrk sends what request() returns, or the same bytes again when there is none. Every script ends
// in one line that can be read back.
constexpr char kReport[] = R"(
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format("measured %d %d %d %d", summary.requests, summary.duration,
      latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
)";

constexpr char kFixed[] = R"(
wrk.method = "POST"
wrk.headers["Content-Type"] = "%TYPE%"
wrk.body = '%BODY%'
)";

// So that no two threads make the same key.
constexpr char kNumbered[] = R"(
local threads = 0
function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end
)";

// New keys: the thread's number, then a counter. The length is always the same, so everything but
// the number is made once: what the load costs is taken from the server under test.
constexpr char kFresh[] = R"(
local n = 0
local function number()
  n = n + 1
  return string.format("%012d", n)
end
local function before()
  return '{"scope":"%SCOPE%","fingerprint":"%FINGERPRINT%",%OP%"key":"' .. thread_number .. "-"
end
local after = '"}'
local function head(path, body)
  return "POST " .. path .. " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" ..
      "Content-Length: " .. #body .. "\r\n\r\n"
end
)";
constexpr char kOneByOne[] = R"(
local begin = nil
function request()
  if not begin then begin = head("/v1/claim", before() .. number() .. after) .. before() end
  return begin .. number() .. after
end
)";
constexpr char kManyAtOnce[] = R"(
local between = nil
function request()
  between = between or after .. "," .. before()
  local numbers = {}
  for i = 1, %SIZE% do numbers[i] = number() end
  local body = '{"operations":[' .. before() .. table.concat(numbers, between) .. after .. ']}'
  return head("/v1/batch", body) .. body
end
)";

// 100 bytes with a new key each; without a scope's number always the same.
constexpr char kPost[] = R"(
local n = 0
local begin = "POST /pay HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n" ..
    "Content-Length: 100\r\nIdempotency-Key: "
local rest = "\r\n\r\n" .. string.rep("p", 100)
function request()
  if "%SCOPE%" == "" then return begin .. "hot" .. rest end
  n = n + 1
  return begin .. string.format("%SCOPE%-%d-%012d", thread_number, n) .. rest
end
)";

std::string Replaced(std::string text, const std::string& mark, const std::string& by) {
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + by.size())) {
    text.replace(at, mark.size(), by);
  }
  return text;
}

std::string FixedScript(const std::string& type, const std::string& body) {
  return Replaced(Replaced(kFixed, "%TYPE%", type), "%BODY%", body);
}

std::string Script(const Workload& workload) {
  const bool batch = workload.kind == Workload::Kind::kBatch;
  switch (workload.kind) {
    case Workload::Kind::kEcho:
      return FixedScript("application/octet-stream", std::string(100, 'x'));
    case Workload::Kind::kReplay:
      return FixedScript("application/json", "{\"key\":\"" + std::string(kHotKey) +
                                                 "\",\"fingerprint\":\"" + Fingerprint() + "\"}");
    case Workload::Kind::kPass:
      return "";
    case Workload::Kind::kKeyed:
    case Workload::Kind::kKeyedDuplicate:
      return kNumbered + Replaced(kPost, "%SCOPE%", workload.scope);
    case Workload::Kind::kFresh:
    case Workload::Kind::kBatch:
      break;
  }
  std::string script = kNumbered + Replaced(kFresh, "%SCOPE%", workload.scope);
  script = Replaced(script, "%FINGERPRINT%", Fingerprint());
  script = Replaced(script, "%OP%", batch ? "\"op\":\"claim\"," : "");
  return script + (batch ? Replaced(kManyAtOnce, "%SIZE%", std::to_string(kBatchSize)) : kOneByOne);
}

const char* PathOf(Workload::Kind kind) {
  switch (kind) {
    case Workload::Kind::kEcho:
      return "/echo";
    case Workload::Kind::kReplay:
    case Workload::Kind::kFresh:
    case Workload::Kind::kBatch:
      return "/v1/claim";
    case Workload::Kind::kPass:
    case Workload::Kind::kKeyed:
    case Workload::Kind::kKeyedDuplicate:
      return "/pay";
  }
  return "";
}

}  // namespace

std::string Fingerprint() { return std::string(64, 'f'); }
std::string HundredByteResult() { return "\"" + std::string(98, 'r') + "\""; }

void AddWrkFlags(CLI::App* app, WrkOptions* options) {
  app->add_option("--wrk-threads", options->threads, "threads of wrk")->check(CLI::Range(1, 64));
}

std::string Described(const WrkOptions& options) {
  return "wrk -t" + std::to_string(options.threads);
}

Measured RunWrk(const Workload& workload, int port, const WrkOptions& options) {
  const TempFolder folder;
  const std::string script = folder.path() / "load.lua";
  std::ofstream(script) << Script(workload) << kReport;
  const std::string said = Output(
      {.words = {"wrk", "-t", std::to_string(std::min(options.threads, workload.connections)), "-c",
                 std::to_string(workload.connections), "-d", std::to_string(options.seconds) + "s",
                 "-s", script,
                 "http://127.0.0.1:" + std::to_string(port) + PathOf(workload.kind)}});
  const size_t at = said.find("measured ");
  if (at == std::string::npos) Fail("wrk said: " + said);
  std::istringstream fields(said.substr(at));
  std::string word;
  double duration_us = 0;
  double p99_us = 0;
  int64_t errors = 0;
  Measured measured;
  fields >> word >> measured.requests >> duration_us >> p99_us >> errors;
  if (!fields || errors != 0 || measured.requests < 1) Fail("wrk met errors: " + said);
  measured.per_second = measured.requests / (duration_us / 1e6);
  measured.p99_ms = p99_us / 1e3;
  return measured;
}

}  // namespace onced::bench

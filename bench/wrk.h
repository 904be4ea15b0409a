// SPDX-License-Identifier: MIT
// Wrk: the load generator of http_bench, and the Lua scripts it runs.
//
// Threads: use from one.
// Invariants: a run in which any answer was an error, or any connection failed, ends the benchmark:
// errors are quick, and would pass for speed.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace onced::bench {

// What is sent, over and over.
struct Workload {
  enum class Kind {
    kEcho,
    kReplay,
    kFresh,
    kBatch,
    kPass,           // a GET, which carries no key
    kKeyed,          // a POST with a new Idempotency-Key each, in `scope`
    kKeyedDuplicate  // the same POST with the same key
  };
  Kind kind = Kind::kEcho;
  int connections = 32;
  std::string scope;  // kFresh, kBatch, kKeyed: where the new keys go; nobody else uses it
};

constexpr int kBatchSize = 100;
// The key that kReplay asks for, its fingerprint, and the result it is completed with.
constexpr char kHotKey[] = "hot";
std::string Fingerprint();
std::string HundredByteResult();

struct Measured {
  double requests = 0;
  double per_second = 0;
  double p99_ms = 0;
};

struct WrkOptions {
  int seconds = 4;
  int threads = 1;
};

// Its flags of a benchmark's own, and how it is called in the table's head.
void AddWrkFlags(CLI::App* app, WrkOptions* options);
std::string Described(const WrkOptions& options);

Measured RunWrk(const Workload& workload, int port, const WrkOptions& options);

}  // namespace onced::bench

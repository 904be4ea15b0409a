// SPDX-License-Identifier: MIT
// System: what the suite measures, each as its users run it: one of onced's doors, or what people
// would use instead. It is started with nothing in it, on free ports and in a temporary folder, and
// ends with its object.
//
// Threads: use from one.
// Invariants: each says by what durability it answers; one that cannot run here says why, and is
// never replaced by an estimate.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/scripts.h"

namespace onced::bench {

// How often the effect was made, as counted where it was made.
struct Executions {
  int64_t all = 0;
  int64_t keys_with_more = 0;  // keys with more than one, where that is counted
};

class System {
 public:
  virtual ~System() = default;
  virtual int port() const = 0;
  virtual Protocol protocol() const { return Protocol::kHttp; }
  virtual std::unique_ptr<PayingScript> NewScript(RunKeys keys) const = 0;
  // Nothing where only its callers know.
  virtual std::optional<Executions> Counted() const { return std::nullopt; }
  // Of all its processes.
  virtual std::chrono::microseconds CpuTime() const = 0;
  virtual int64_t ResidentKib() const = 0;
};

// The programs and scripts that the systems are made of.
struct Places {
  std::string onced;          // the program
  std::string timed_service;  // behind gateways
  std::string stock_echo;
  std::string peers;         // the folder of the services in other languages
  std::string node_modules;  // of express; empty: not installed
};

struct SystemKind {
  std::string name;
  std::string durability;  // in words
  std::string about;
  // What is wrong with running it here; empty: nothing.
  std::function<std::string(const Places&)> missing;
  std::function<std::unique_ptr<System>(const Places&)> start;
  bool executes_once = true;  // or else more executions than keys are told, and not a failure
};

// In the order in which they are shown, ours first.
const std::vector<SystemKind>& AllSystems();
const SystemKind& SystemNamed(const std::string& name);

}  // namespace onced::bench

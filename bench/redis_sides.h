// SPDX-License-Identifier: MIT
// RedisSide: what redis_bench compares: onced's Redis door, and redis-server with an append-only
// file. Each has a free port and a temporary folder of its own, and can be started again on what it
// has written.
//
// Threads: use from one.
// Invariants: nothing is measured before it answers, and no wait is without a bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/child.h"

namespace onced::bench {

class RedisSide {
 public:
  int port() const { return port_; }
  std::chrono::microseconds CpuTime() const { return child_->CpuTime(); }
  // Returns the seconds until GET of `key` was answered with `value`.
  double Start(const std::string& key, const std::string& value);
  // Waits for its end. Ends the benchmark when that has to be forced.
  void End(int signal);
  // Mebibytes that are resident now, and the most there have been.
  double resident() const { return static_cast<double>(child_->Kibibytes("VmRSS")) / 1024; }
  double most_resident() const { return static_cast<double>(child_->Kibibytes("VmHWM")) / 1024; }

 protected:
  using Words = std::vector<std::string>;
  // `words` makes the command of a port and a folder.
  explicit RedisSide(const std::function<Words(const std::string&, const std::string&)>& words);
  ~RedisSide() = default;

 private:
  const TempFolder folder_;
  const int port_;
  const Words words_;
  std::optional<Child> child_;
};

struct OncedSide : RedisSide {
  OncedSide(const std::string& program, const std::string& durability,
            const std::string& footprint = "server");
};

// As Debian has it set, but for what is written: no snapshots, and the append-only file, fsynced as
// `appendfsync` says, or "off": none.
std::vector<std::string> RedisServerWords(const std::string& port, const std::string& folder,
                                          const std::string& appendfsync);

struct RedisServerSide : RedisSide {
  explicit RedisServerSide(const std::string& appendfsync);
};

struct RedisLoad {
  std::vector<std::string> command;  // __rand_int__ in it is twelve digits below `spread`
  int64_t spread = 1;
  int pipeline = 1;
  int database = 0;
};

// Sends `requests` of them on 50 connections by redis-benchmark, which ends the benchmark at the
// first error it is answered with. Returns requests per second.
double RunRedisBenchmark(const RedisLoad& load, int port, int64_t requests);

}  // namespace onced::bench

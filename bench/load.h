// SPDX-License-Identifier: MIT
// Load: operations that many connections go through, sent from one thread, and how long each took.
//
// An operation is what one caller wants done: one request, or several of which each needs the
// answer before (claim, then complete). In a closed loop every connection begins its next operation
// when it has ended one, which measures throughput. In an open loop operations begin at times that
// are fixed beforehand: one that finds no connection free stands in line, and its time counts from
// when it should have begun, so that a stall is felt by all who would have met it, and not only by
// those who were there.
//
// Threads: use from one.
// Invariants: every operation that was begun ends before RunLoad returns, so that what the other
// side counts must be equal and not nearly so. An answer that the script does not expect, a
// connection that fails and a server that is silent for a minute end the benchmark.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/histogram.h"

namespace onced::bench {

// Valid during the call that it is given to.
struct Answer {
  int status = 0;         // of HTTP; 0 for a reply of the Redis protocol
  std::string_view head;  // of HTTP: status line and fields
  std::string_view body;  // or the whole reply, with its type byte and line ends
};

// What is asked. Operations are numbered from 0 in the order in which they begin.
class Script {
 public:
  virtual ~Script() = default;
  // The bytes of the operation's first request.
  virtual std::string Begin(int64_t operation) = 0;
  // It was answered, for the `step`-th time from 0: the next request, or none when it has ended.
  // Fails (see child.h) when the answer is wrong.
  virtual std::string GoOn(int64_t operation, int step, const Answer& answer) = 0;
};

enum class Protocol { kHttp, kRedis };

struct LoadPlan {
  int port = 0;
  Protocol protocol = Protocol::kHttp;
  int connections = 32;
  std::chrono::milliseconds warm_up{500};    // begun and checked, but not measured
  std::chrono::milliseconds duration{4000};  // after that
  double per_second = 0;                     // open loop, all connections together; 0: closed loop
};

// A tenth of a second.
struct Slice {
  int64_t ended = 0;
  int64_t slowest_us = 0;
};

struct LoadResult {
  int64_t begun = 0;       // all, with the warm-up
  int64_t operations = 0;  // ended within `duration`
  double per_second = 0;   // of these
  Histogram latency_us;    // of these; in an open loop of those that should have begun in it
  std::vector<Slice> slices;
};

LoadResult RunLoad(const LoadPlan& plan, Script* script);

}  // namespace onced::bench

// SPDX-License-Identifier: MIT
// Breaker: whether an upstream is worth asking. It opens after so many failures in a row, or when
// too large a part of the calls of its window failed; then nothing is sent, for a while; then one
// call is let through, and its end decides.
//
// Threads: every call from any thread.
// Invariants: 1. While it is half open at most one call is under way. 2. A call that was let
// through is always told of (Succeeded, Failed or Forgotten), or the probe's place comes free again
// after `open_for`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "engine/mutex.h"

namespace onced {

struct BreakerLimits {
  uint32_t failures_in_row = 5;
  double failure_rate = 0.5;     // of the calls of a window
  uint32_t rate_calls_min = 20;  // in a window, before a rate means anything
  std::chrono::milliseconds window{10'000};
  std::chrono::milliseconds open_for{5'000};

  bool operator==(const BreakerLimits&) const = default;
};

// Whether a whole answer with this status is one of an upstream that cannot serve.
constexpr bool SaysItCannotServe(int status) {
  return status == 502 || status == 503 || status == 504;
}

class Breaker {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Pass = uint64_t;
  static constexpr Pass kNewest = UINT64_MAX;
  enum class State { kClosed, kOpen, kHalfOpen };

  explicit Breaker(BreakerLimits limits = {}) : limits_(limits) {}

  // Whether a call may be made at `now`; if not, for how long to stay away.
  // `pass`, if given, is set to what the end of the call is to be told with.
  std::optional<std::chrono::milliseconds> RefusedFor(TimePoint now, Pass* pass = nullptr)
      EXCLUDES(mutex_);
  // How a call ended that was let through. Failed: the upstream could not be reached, or gave no
  // whole answer, or one that says it cannot serve (502, 503, 504).
  // A call that was let through before the breaker last opened or closed tells nothing any more.
  void Succeeded(TimePoint now, Pass pass = kNewest) EXCLUDES(mutex_);
  void Failed(TimePoint now, Pass pass = kNewest) EXCLUDES(mutex_);
  // It was let through and not made after all.
  void Forgotten(TimePoint now, Pass pass = kNewest) EXCLUDES(mutex_);

  const BreakerLimits& limits() const { return limits_; }
  State state(TimePoint now) const EXCLUDES(mutex_);
  uint64_t opened() const EXCLUDES(mutex_);  // how often it has opened

 private:
  void Count(TimePoint now, bool failed) REQUIRES(mutex_);
  void Open(TimePoint now) REQUIRES(mutex_);
  void Close(TimePoint now) REQUIRES(mutex_);

  const BreakerLimits limits_;
  mutable Mutex mutex_;
  State state_ GUARDED_BY(mutex_) = State::kClosed;
  TimePoint since_ GUARDED_BY(mutex_);
  TimePoint window_from_ GUARDED_BY(mutex_);
  uint32_t in_row_ GUARDED_BY(mutex_) = 0;
  uint32_t calls_ GUARDED_BY(mutex_) = 0;
  uint32_t failures_ GUARDED_BY(mutex_) = 0;
  bool probing_ GUARDED_BY(mutex_) = false;
  uint64_t opened_ GUARDED_BY(mutex_) = 0;
  Pass pass_ GUARDED_BY(mutex_) = 0;  // another with each change, and for each probe
};

}  // namespace onced

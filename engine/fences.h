// SPDX-License-Identifier: MIT
// Fences: strictly increasing 64-bit numbers, epoch << 32 | counter. A claim gets one; whoever
// shows an older one is refused.
//
// The epoch is persisted before a fence of it is given out, and is never below the seconds since
// 2020-01-01, so fences rise across restarts, restores of a backup and wiped data folders alike, in
// every durability mode.
//
// Threads: Next() from any thread; lock-free but for the one call in 2^32 that takes a new epoch.
// Invariants: no number is given twice; Next() returns more than every Next() that returned before.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "engine/mutex.h"
#include "engine/status.h"

namespace onced {

class Fences {
 public:
  // Where to start counting in an epoch taken from the time alone. A folder that is wiped and used
  // again within one second gets the same epoch; but nobody gives out 2^22 fences in a millisecond.
  static uint32_t FirstCounter(int64_t now_ms) {
    return (static_cast<uint32_t>(now_ms % 1000) << 22) + 1;
  }

  // Makes `epoch` durable.
  using Persist = std::function<Status(uint32_t epoch)>;

  // The epoch to start with: more than `stored`, and at least the seconds since 2020-01-01.
  static uint32_t NextEpoch(uint32_t stored, int64_t now_ms);

  // REQUIRES: `epoch` is durable. `persist` is called with epoch + 1 when the counter is full.
  Fences(uint32_t epoch, Persist persist, uint32_t first_counter = 1);

  // The newest number. An error when a new epoch was needed and could not be made durable.
  Result<uint64_t> Next() EXCLUDES(mutex_);

  // Every number given out here is at least this; every one from before is less.
  uint64_t first() const { return first_; }
  uint32_t epoch() const { return static_cast<uint32_t>(next_.load() >> 32); }

 private:
  Result<uint64_t> NextOfNewEpoch() EXCLUDES(mutex_);

  const Persist persist_;
  const uint64_t first_;
  std::atomic<uint64_t> next_;
  Mutex mutex_;  // taking a new epoch
};

}  // namespace onced

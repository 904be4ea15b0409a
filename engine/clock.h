// SPDX-License-Identifier: MIT
// Clock: the one reader of time in the engine, in milliseconds since the Unix epoch.
//
// Deadlines in records are wall-clock times, but a wall clock jumps: a step forward would free
// leases and let the TTL filter eat live keys for ever. GuardedClock therefore runs on
// CLOCK_BOOTTIME (which no one sets, and which counts suspend), anchored once to the wall, and
// slews toward the wall by 500 ppm at most.
//
// Threads: NowMs() from any thread, without a lock; Discipline() from one thread.
// Invariants: 1. NowMs() never goes backwards within a process, nor across a restart whose saved
// anchor was kept. 2. A wall-clock step moves NowMs() by at most 500 ppm of the time since.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace onced {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowMs() = 0;
};

// The machine's own clocks; a seam for tests.
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  virtual int64_t BoottimeNs() = 0;
  virtual int64_t WallNs() = 0;
  // Whether the kernel says that the wall clock is disciplined (NTP, PTP).
  virtual bool WallSynchronised() = 0;
  // Changes with every boot of the machine; empty when unknown, which equals no other boot.
  virtual std::string BootId() = 0;
};

std::unique_ptr<TimeSource> NewSystemTimeSource();

// Where a GuardedClock stood: kept in the high-water file, so that a restart continues from it.
struct ClockAnchor {
  std::string boot_id;
  int64_t boottime_ms = 0;
  int64_t now_ms = 0;  // also the floor: no later process believes an earlier time
  bool in_doubt = false;
};

class GuardedClock : public Clock {
 public:
  // When this was written (2026-01-01): a wall clock before it is one that was never set.
  static constexpr int64_t kWrittenMs = 1'767'225'600'000;

  // Same boot as `saved`: continues it. Otherwise the wall is believed when it is not below the
  // saved floor and either less than 24 h above it or synchronised; else the clock starts at the
  // floor plus the machine's uptime and is in doubt. Without `saved` the wall is believed, unless
  // it reads earlier than kWrittenMs: then that is the floor.
  GuardedClock(std::unique_ptr<TimeSource> source, const std::optional<ClockAnchor>& saved);

  int64_t NowMs() override;

  // Moves the clock toward the wall by what the time since the last call allows; ends a doubt once
  // the kernel says the wall is synchronised and it is not behind. Call about every 100 ms.
  void Discipline();

  // True while the wall is not believed. The clock then runs on from its floor at its own pace.
  bool InDoubt() const { return in_doubt_.load(std::memory_order_relaxed); }

  ClockAnchor Anchor();

 private:
  const std::unique_ptr<TimeSource> source_;
  const std::string boot_id_;
  std::atomic<int64_t> offset_ns_{0};  // now = boottime + offset
  std::atomic<int64_t> latest_ms_{0};
  std::atomic<bool> in_doubt_{false};
  int64_t disciplined_at_ns_ = 0;  // Discipline()'s thread only
};

}  // namespace onced

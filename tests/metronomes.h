// SPDX-License-Identifier: MIT
// Metronomes: a measure of time for what waits for an interval on a machine that may be busy. On
// every processor a thread waits for that interval, again and again, as the engine's own do, and
// notes when it has: a tick. So many ticks have passed as have on the processor that had the
// fewest: wherever another thread was waiting meanwhile, this one has come to run as often.
//
// Threads: the test's own.
// Invariants: when Stop has returned nothing ticks any more.
#pragma once

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "engine/rounds.h"

namespace onced {

class Metronomes {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Metronomes(std::chrono::milliseconds interval) {
    cpu_set_t all;
    CPU_ZERO(&all);
    sched_getaffinity(0, sizeof all, &all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &all)) continue;
      ticks_.push_back(std::make_unique<Ticks>());
      rounds_.push_back(std::make_unique<Rounds>(
          interval, [cpu, ticks = ticks_.back().get()] { Tick(cpu, ticks); }));
    }
  }

  void Stop() { rounds_.clear(); }

  // Of `job`, which must not wait: how many intervals it took.
  static size_t TicksOf(std::chrono::milliseconds interval, const std::function<void()>& job) {
    Metronomes metronomes(interval);
    const auto begun = Clock::now();
    job();
    const auto ended = Clock::now();
    metronomes.Stop();
    return metronomes.Between(begun, ended);
  }

  // REQUIRES: stopped.
  size_t Between(Clock::time_point from, Clock::time_point until) const {
    size_t fewest = ticks_.empty() ? 0 : ticks_[0]->size();
    for (const auto& ticks : ticks_) {
      const auto begin = std::upper_bound(ticks->begin(), ticks->end(), from);
      const auto end = std::lower_bound(begin, ticks->end(), until);
      fewest = std::min(fewest, static_cast<size_t>(end - begin));
    }
    return fewest;
  }

 private:
  using Ticks = std::vector<Clock::time_point>;

  static void Tick(size_t cpu, Ticks* ticks) {
    if (ticks->empty()) {
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(cpu, &own);
      sched_setaffinity(0, sizeof own, &own);  // of this thread
    }
    ticks->push_back(Clock::now());
  }

  std::vector<std::unique_ptr<Ticks>> ticks_;
  std::vector<std::unique_ptr<Rounds>> rounds_;
};

}  // namespace onced

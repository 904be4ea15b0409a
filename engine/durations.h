// SPDX-License-Identifier: MIT
// Durations: how long something took, each time, kept as a count in each of a few fixed buckets.
// Two additions a time; percentiles and rates are made of what was read twice.
//
// Threads: Add and Read from any; a Read may miss what is being added.
// Invariants: the bounds never change: what was read yesterday can be taken from what is read
// today.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace onced {

// Upper bounds, in microseconds; the last bucket has none. From a look into memory to a disk that
// hangs.
inline constexpr std::array<int64_t, 17> kDurationBoundsUs = {
    50,     100,     200,     500,     1'000,     2'000,     5'000,     10'000,    20'000,
    50'000, 100'000, 200'000, 500'000, 1'000'000, 2'000'000, 5'000'000, 10'000'000};
inline constexpr size_t kDurationBuckets = kDurationBoundsUs.size() + 1;

struct DurationCounts {
  std::array<uint64_t, kDurationBuckets> counts{};
  uint64_t sum_us = 0;

  void Add(const DurationCounts& other) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    sum_us += other.sum_us;
  }
  uint64_t Count() const {
    uint64_t all = 0;
    for (const uint64_t one : counts) all += one;
    return all;
  }
};

class Durations {
 public:
  // So many of them at once.
  void Add(std::chrono::nanoseconds took, uint64_t times = 1) {
    const int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
    const auto bound = std::lower_bound(kDurationBoundsUs.begin(), kDurationBoundsUs.end(), us);
    const auto bucket = static_cast<size_t>(bound - kDurationBoundsUs.begin());
    counts_[bucket].fetch_add(times, std::memory_order_relaxed);
    sum_us_.fetch_add(static_cast<uint64_t>(std::max<int64_t>(us, 0)) * times,
                      std::memory_order_relaxed);
  }
  DurationCounts Read() const {
    DurationCounts read;
    for (size_t i = 0; i < counts_.size(); ++i) {
      read.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    read.sum_us = sum_us_.load(std::memory_order_relaxed);
    return read;
  }

 private:
  std::array<std::atomic<uint64_t>, kDurationBuckets> counts_{};
  std::atomic<uint64_t> sum_us_{0};
};

}  // namespace onced

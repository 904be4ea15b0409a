// SPDX-License-Identifier: MIT
// Histogram: how long many operations took. A bucket is no wider than a 128th of what is in it, so
// a percentile is at most 1 % too high, and never too low; the largest is kept as it is. Recording
// is a few instructions and no allocation, and two histograms add up, as in Gil Tene's
// HdrHistogram.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace onced::bench {

class Histogram {
 public:
  Histogram();

  // Negative values count as 0, values beyond 19 hours as that.
  void Record(int64_t us);
  void Add(const Histogram& other);

  int64_t count() const { return count_; }
  int64_t max() const { return max_; }
  // The value that `percent` of all, 0..100, are not above; 0 when there is none.
  int64_t Percentile(double percent) const;
  // Every bucket with something in it, upwards: its upper edge, and how many are in it.
  void Visit(const std::function<void(int64_t us, int64_t count)>& visit) const;

 private:
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace onced::bench

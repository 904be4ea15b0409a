// SPDX-License-Identifier: MIT
#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace onced::bench {
namespace {

// Values of up to this many bits have a bucket each; above, each doubling has half as many.
constexpr int kExactBits = 8;
constexpr int kHalf = 1 << (kExactBits - 1);
constexpr int64_t kMost = (int64_t{1} << 36) - 1;

size_t BucketOf(int64_t us) {
  const auto width = static_cast<int>(std::bit_width(static_cast<uint64_t>(us)));
  const int shift = std::max(0, width - kExactBits);
  return static_cast<size_t>(shift) * kHalf + static_cast<size_t>(us >> shift);
}

int64_t UpperEdge(size_t bucket) {
  if (bucket < 2 * kHalf) return static_cast<int64_t>(bucket);
  const auto shift = bucket / kHalf - 1;
  return ((static_cast<int64_t>(bucket - shift * kHalf) + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : counts_(BucketOf(kMost) + 1) {}

void Histogram::Record(int64_t us) {
  us = std::clamp<int64_t>(us, 0, kMost);
  ++counts_[BucketOf(us)];
  ++count_;
  max_ = std::max(max_, us);
}

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

int64_t Histogram::Percentile(double percent) const {
  const auto wanted = std::max<int64_t>(
      1, static_cast<int64_t>(std::ceil(percent / 100 * static_cast<double>(count_) - 1e-9)));
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(UpperEdge(i), max_);
  }
  return max_;
}

void Histogram::Visit(const std::function<void(int64_t, int64_t)>& visit) const {
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) visit(std::min(UpperEdge(i), max_), counts_[i]);
  }
}

}  // namespace onced::bench

// SPDX-License-Identifier: MIT
#include "engine/fences.h"

#include <algorithm>
#include <utility>

namespace onced {
namespace {

constexpr int64_t kEpochZeroMs = 1'577'836'800'000;  // 2020-01-01T00:00:00Z
constexpr uint32_t kLastCounter = UINT32_MAX;

uint64_t Joined(uint32_t epoch, uint32_t counter) {
  return (static_cast<uint64_t>(epoch) << 32) | counter;
}

}  // namespace

uint32_t Fences::NextEpoch(uint32_t stored, int64_t now_ms) {
  ONCED_CHECK(stored < UINT32_MAX);
  const int64_t seconds = std::clamp<int64_t>((now_ms - kEpochZeroMs) / 1000, 1, UINT32_MAX);
  return std::max(stored + 1, static_cast<uint32_t>(seconds));
}

Fences::Fences(uint32_t epoch, Persist persist, uint32_t first_counter)
    : persist_(std::move(persist)),
      first_(Joined(epoch, first_counter)),
      next_(Joined(epoch, first_counter)) {
  ONCED_CHECK(epoch > 0 && first_counter > 0);
}

Result<uint64_t> Fences::Next() {
  uint64_t next = next_.load(std::memory_order_relaxed);
  // The last counter of an epoch is never given out: it marks the epoch as full.
  while (static_cast<uint32_t>(next) != kLastCounter) {
    if (next_.compare_exchange_weak(next, next + 1, std::memory_order_relaxed)) return next;
  }
  return NextOfNewEpoch();
}

Result<uint64_t> Fences::NextOfNewEpoch() {
  MutexLock lock(mutex_);
  const uint64_t full = next_.load(std::memory_order_relaxed);
  if (static_cast<uint32_t>(full) == kLastCounter) {
    const auto epoch = static_cast<uint32_t>(full >> 32) + 1;
    ONCED_CHECK(epoch != 0);
    ONCED_RETURN_IF_ERROR(persist_(epoch));
    next_.store(Joined(epoch, 2), std::memory_order_relaxed);
    return Joined(epoch, 1);
  }
  return next_.fetch_add(1, std::memory_order_relaxed);  // another thread took the epoch first
}

}  // namespace onced

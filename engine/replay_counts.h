// SPDX-License-Identifier: MIT
// ReplayCounts: how often each run's result was replayed since this process started, in fixed
// memory. A replay stays a read: counting it takes two atomic steps and no lock.
//
// Threads: any.
// Invariants: it never grows. It may forget (a busier run takes the slot) but never mixes two runs
// up, save for 32 equal bits of their hashes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/key.h"

namespace onced {

class ReplayCounts {
 public:
  ReplayCounts() : slots_(new std::atomic<uint64_t>[kSlots]()) {}

  void Add(const Key& key, uint64_t fence) {
    const uint64_t hash = Hash(key, fence);
    std::atomic<uint64_t>& slot = slots_[hash % kSlots];
    const uint64_t seen = slot.load(std::memory_order_relaxed);
    if (Tag(seen) == Tag(hash)) {
      slot.fetch_add(1, std::memory_order_relaxed);
    } else {
      slot.store((hash & kTagMask) | 1, std::memory_order_relaxed);
    }
  }

  uint32_t Of(const Key& key, uint64_t fence) const {
    const uint64_t hash = Hash(key, fence);
    const uint64_t seen = slots_[hash % kSlots].load(std::memory_order_relaxed);
    return Tag(seen) == Tag(hash) ? static_cast<uint32_t>(seen) : 0;
  }

 private:
  static constexpr size_t kSlots = size_t{1} << 16;
  static constexpr uint64_t kTagMask = ~uint64_t{UINT32_MAX};
  static uint64_t Tag(uint64_t value) { return value & kTagMask; }
  static uint64_t Hash(const Key& key, uint64_t fence) {
    // An odd factor loses nothing: fences that differ in one bit stay apart.
    const uint64_t mixed =
        (std::hash<std::string_view>()(key.encoded()) ^ (fence * 0x9E3779B97F4A7C15ULL)) *
        0xBF58476D1CE4E5B9ULL;
    return mixed ^ (mixed >> 29);
  }

  const std::unique_ptr<std::atomic<uint64_t>[]> slots_;
};

}  // namespace onced

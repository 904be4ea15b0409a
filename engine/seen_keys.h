// SPDX-License-Identifier: MIT
// SeenKeys: which keys were there lately, as far as a small table remembers. A store that asks over
// a network looks first at those, and claims the others at once.
//
// Threads: any, without a lock.
// Invariants: it is a hint. Whatever it says, the answer is right; a wrong hint costs a round trip.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "engine/key.h"

namespace onced {

class SeenKeys {
 public:
  bool Has(const Key& key) const {
    const uint64_t hash = HashOf(key);
    return SlotOf(hash).load(std::memory_order_relaxed) == TagOf(hash);
  }
  void Note(const Key& key, bool there) {
    const uint64_t hash = HashOf(key);
    std::atomic<uint32_t>& slot = SlotOf(hash);
    if (there) {
      slot.store(TagOf(hash), std::memory_order_relaxed);
    } else if (slot.load(std::memory_order_relaxed) == TagOf(hash)) {
      slot.store(0, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr size_t kSlots = size_t{1} << 16;

  static uint64_t HashOf(const Key& key) { return std::hash<std::string_view>()(key.encoded()); }
  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }
  std::atomic<uint32_t>& SlotOf(uint64_t hash) const { return slots_[hash % kSlots]; }

  const std::unique_ptr<std::atomic<uint32_t>[]> slots_ =
      std::make_unique<std::atomic<uint32_t>[]>(kSlots);
};

}  // namespace onced

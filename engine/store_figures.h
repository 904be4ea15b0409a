// SPDX-License-Identifier: MIT
// What there is to be seen of a store in a folder: its health, whether work should be sent here,
// and what a scrape wants besides.
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/durations.h"

namespace onced {

struct StoreHealth {
  uint64_t latest_sequence = 0;
  uint64_t durable_sequence = 0;
  size_t answers_held = 0;
  size_t waiters = 0;
  uint64_t keys_estimate = 0;
  uint64_t table_bytes = 0;  // of it in tables
  uint64_t disk_bytes = 0;   // the whole folder, counted every few seconds
  uint64_t free_bytes = 0;
  uint64_t needed_bytes = 0;  // with fewer free space is low
  uint32_t fence_epoch = 0;
  bool space_low = false;
  bool writes_stopped = false;
  bool clock_in_doubt = false;
};

// What tells whether work should be sent here just now. It is noted as things happen, so that who
// asks, however often, waits neither for the disk nor for RocksDB. The caretaker notes what is
// noted in rounds: should it hang, at a disk that hangs, `since_read` grows.
struct StoreReadiness {
  std::chrono::milliseconds in_sync{0};     // inside the present sync of the log; 0: in none
  std::chrono::milliseconds since_read{0};  // since the disk last gave back the high-water mark
  bool read_failed = false;                 // the last try to
  bool writes_stopped = false;              // RocksDB takes none: it is behind
  bool writes_parked = false;               // a write found no room, and none is tried until it may
  bool space_low = false;
  bool clock_in_doubt = false;
};

// What a scrape wants besides; a few microseconds each.
struct StoreFigures {
  StoreHealth health;
  DurationCounts syncs;        // since the store was opened, as the next three
  uint64_t dropped = 0;        // records and rows that compactions found dead
  uint64_t stalled = 0;        // writes that were refused for a moment
  uint64_t troubles = 0;       // that RocksDB's own threads have told, and damage that reads met
  uint64_t memory_bytes = 0;   // of what is not in tables yet
  uint64_t cache_bytes = 0;    // of blocks
  uint64_t pending_bytes = 0;  // that compactions are behind, estimated
};

}  // namespace onced

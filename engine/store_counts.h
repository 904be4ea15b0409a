// SPDX-License-Identifier: MIT
// StoreCounts: what a store has done since it was opened, for whoever watches it.
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/durations.h"

namespace onced {

struct StoreCounts {
  Durations syncs;                    // of the log
  std::atomic<uint64_t> dropped{0};   // records and rows that compactions found dead
  std::atomic<uint64_t> stalled{0};   // writes that were refused for a moment: RocksDB would stall
  std::atomic<uint64_t> troubles{0};  // told by RocksDB's own threads: a full, a failing
                                      // disk; and reads that met a damaged table
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// TtlFilter: the compaction filter that takes dead records and audit rows off the disk, and the
// table property that tells the reaper which tables hold any.
//
// Readers judge death themselves (IsDead), so the filter's timing never changes an answer: it may
// be late, never early. It removes what has been dead for kGrace, which also covers the clock's
// slew, and keeps whatever it cannot read.
//
// Private to the engine: includes RocksDB.
// Threads: RocksDB makes one filter a compaction thread; the factories are called from any.
// Invariants: 1. kRemove only: it leaves a tombstone, so no older version can come back (kPurge
// and kRemoveAndSkipUntil could expose one). 2. The time is read once, when a compaction begins:
// an old time is the safe side. 3. No exception leaves it.
#pragma once

#include <rocksdb/compaction_filter.h>
#include <rocksdb/table_properties.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/clock.h"

namespace onced {

constexpr int64_t kTtlGraceMs = 60'000;

// Both must outlive the factory and its filters. `dropped` counts what is taken away; may be null.
std::unique_ptr<rocksdb::CompactionFilterFactory> NewTtlFilterFactory(
    Clock* clock, std::atomic<uint64_t>* dropped = nullptr);

// Notes the earliest and the latest time of death in every table file.
std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> NewDeathsCollectorFactory();

struct TableDeaths {
  int64_t first_ms = 0;
  int64_t last_ms = 0;
};
// nullopt for a table that has no such note (written by a tool, or empty).
std::optional<TableDeaths> DeathsIn(const rocksdb::TableProperties& properties);

}  // namespace onced

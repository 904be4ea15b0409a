// SPDX-License-Identifier: MIT
// The RocksDB options of the two footprints, each with its reason where it is set.
//
// Private to the engine: includes RocksDB. Threads: pure functions.
// Invariants: the settings that durability rests on are the same in both footprints.
#pragma once

#include <rocksdb/options.h>

#include <atomic>
#include <memory>

#include "engine/rocks_store.h"

namespace onced {

rocksdb::DBOptions DatabaseOptions(Footprint footprint);

// What the column families of one database share.
struct SharedMemory {
  std::shared_ptr<rocksdb::Cache> block_cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
};
SharedMemory NewSharedMemory(Footprint footprint);

struct FamilyNature {
  bool mortal = false;     // its values carry a time of death and go through the TTL filter
  bool rewritten = false;  // the same keys are written again and again
};
// `clock` and `dropped`: see NewTtlFilterFactory.
rocksdb::ColumnFamilyOptions FamilyOptions(Footprint footprint, const SharedMemory& memory,
                                           FamilyNature nature, Clock* clock,
                                           std::atomic<uint64_t>* dropped = nullptr);

}  // namespace onced

// SPDX-License-Identifier: MIT
// TableReaper: makes dead data leave the disk of a process that is idle, where RocksDB itself would
// never compact again (7.8.3 re-evaluates periodic compaction only on a flush or a write).
//
// A round does three things, each bounded: it flushes what has been sitting in memory (and so in
// the log) for long; it rewrites tables in which everything is dead; it rewrites tables that are a
// day old and hold anything dead. At most kTablesPerRound tables a round, so it never competes
// for long with live work.
//
// Private to the engine: includes RocksDB.
// Threads: Run() from one thread at a time; compactions run on that thread.
// Invariants: it deletes nothing itself; only the TTL filter does, in a compaction.
#pragma once

#include <rocksdb/db.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/status.h"

namespace onced {

struct ReaperLimits {
  int64_t memory_age_ms = 600'000;        // flush what has been in memory for longer
  int64_t table_age_ms = 24 * 3'600'000;  // rewrite older tables that hold anything dead
};

class TableReaper {
 public:
  static constexpr int kTablesPerRound = 16;

  // All of it must outlive the reaper. `families` are those with the TTL filter.
  TableReaper(rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families, Clock* clock,
              ReaperLimits limits);

  // One round. An error leaves everything as it was for the next one.
  Status Run();

 private:
  struct Table {
    std::string name;
    int level;
    std::string smallest, largest;  // user keys
  };
  Status FlushOld(rocksdb::ColumnFamilyHandle* family, int64_t now_ms);
  std::vector<Table> Ripe(rocksdb::ColumnFamilyHandle* family, int64_t now_ms);
  Status Rewrite(rocksdb::ColumnFamilyHandle* family, const Table& table);

  rocksdb::DB* const db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> families_;
  Clock* const clock_;
  const ReaperLimits limits_;
  std::map<uint32_t, int64_t> filled_since_ms_;  // by family: when its memory was first seen filled
};

}  // namespace onced

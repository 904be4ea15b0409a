// SPDX-License-Identifier: MIT
// SyncedLogs: how much of which of RocksDB's logs is synced, and that they become so in their
// order.
//
// A family of columns that is written rarely lives in an old log until it is flushed, long after
// the newer logs have taken over. RocksDB 7.8 does not miss such a log when it is gone, nor its end
// when that is cut off between two records: it replays the others, up to the same last sequence
// number, and calls that success. So the extents are kept in the high-water mark, and held against
// what is there before a start.
// And it begins a new log without a sync of the one before, which the kernel may then write later:
// a power cut could leave what came after without what came before. So that sync is done here, and
// the one that RocksDB asks for later, when it flushes, finds nothing to do: two flushes that meet
// in a closed log whose sync fails would end the process in an assertion (WritableFileWriter).
//
// Private to the engine: includes RocksDB.
// Threads: any, but Watch, which comes before all others.
// Invariants: 1. A log leaves the mark, durably, before it leaves the disk. 2. Nothing is in a log
// before all of the one before it that is still needed is synced. 3. What counts as synced ends
// where a record does.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/high_water.h"
#include "engine/mutex.h"
#include "engine/status.h"

namespace onced {

// Of the number of a log that RocksDB needs no more. On an error it stays on the disk for now.
using LogForgetter = std::function<Status(uint64_t number)>;

class SyncedLogs : public std::enable_shared_from_this<SyncedLogs> {
 public:
  // The same files, with the logs among them watched. Absent, `forget` is not asked.
  std::shared_ptr<rocksdb::FileSystem> Watch(const std::shared_ptr<rocksdb::FileSystem>& files,
                                             LogForgetter forget);

  // Around a SyncWAL(): a log counts as synced only when its entry in the folder is so, too, which
  // is so for those that there were before, and when it has succeeded. The newest is the last one
  // with something in it: RocksDB has others made while it holds nothing, and may not know them
  // yet.
  uint64_t Newest() const EXCLUDES(mutex_);
  void SyncedUpTo(uint64_t newest) EXCLUDES(mutex_);

  // What counts as synced of those begun since that are still there; the oldest first.
  std::vector<LogExtent> List() const EXCLUDES(mutex_);

 private:
  class WatchedFiles;
  class WatchedLog;
  struct Log;

  std::vector<std::shared_ptr<Log>> All() const EXCLUDES(mutex_);
  void Begun(std::shared_ptr<Log> log) EXCLUDES(mutex_);
  void Gone(uint64_t number) EXCLUDES(mutex_);

  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Log>> logs_ GUARDED_BY(mutex_);  // the oldest first
};

// Corruption, naming the first of `synced` that is not in `database`, or not as long, or not of
// records (rocks_log_records.h) that end where it does: one of a type that RocksDB takes for the
// rest of an older log it would pass over without a word, and all behind it; so it would one that
// ends behind the log. Checksums are not looked at: what is wrong by them RocksDB finds.
Status CheckLogs(const std::string& database, const std::vector<LogExtent>& synced);

}  // namespace onced

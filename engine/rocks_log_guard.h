// SPDX-License-Identifier: MIT
// LogGuard: keeps SyncWAL() off a log whose last append has failed. RocksDB 7.8.3, as Debian builds
// it, aborts the process when the two meet, and a caller of the database cannot see the failure
// early enough: it happens inside of Write. So the guard stands below the database, in the file.
//
// Private to the engine: includes RocksDB.
// Threads: any.
// Invariants: no append returns a failure to RocksDB while a sync is under way, and no sync begins
// between a failed append and Repaired().
#pragma once

#include <rocksdb/env.h>

#include <memory>

#include "engine/mutex.h"

namespace onced {

class LogGuard {
 public:
  // The same files, but appends to logs report their failures here.
  std::unique_ptr<rocksdb::Env> Watch(rocksdb::Env* env);

  // False: an append has failed, keep off. Otherwise EndSync() must follow.
  bool BeginSync();
  void EndSync();
  void AppendFailed();  // waits for the sync under way
  void LogBegun();
  // The database has recovered. False when it goes on with the very log whose append failed.
  bool Repaired();

 private:
  Mutex mutex_;
  CondVar synced_;
  bool syncing_ GUARDED_BY(mutex_) = false;
  bool broken_ GUARDED_BY(mutex_) = false;    // an append has failed...
  bool replaced_ GUARDED_BY(mutex_) = false;  // ...but another log was begun since
};

}  // namespace onced

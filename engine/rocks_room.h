// SPDX-License-Identifier: MIT
// RoomWatch: knows whether RocksDB tries to recover from a full disk just now, and keeps it from
// trying once the database is about to be closed.
//
// RocksDB 7.8 must not be closed while it recovers: the thread that does so tells that it is done
// before it has let go of the database, and may then find it gone (seen: an abort in
// SstFileManagerImpl::ClearError, once in 500 runs of a test that closes just then). That thread
// looks for room every five seconds, and tries only when there is some; so it is told "none" from
// Close() on, and only a try that had begun before is waited for.
//
// CancelAllBackgroundWork() would not do: it neither wakes that thread nor keeps it from trying,
// and a try that meets it ends without a word to any listener. (Measured, a stop on a disk that
// stays full: 6.0 s with it and without; 0.5 s as it is, of RocksDB's own pause after a failed
// flush.)
//
// Private to the engine: includes RocksDB.
// Threads: any. The file system may outlive the watch's other users.
// Invariants: no try begins unless the last answer to the question for room was yes.
#pragma once

#include <rocksdb/file_system.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/mutex.h"

namespace onced {

class RoomWatch : public std::enable_shared_from_this<RoomWatch> {
 public:
  // For RocksDB's SstFileManager: the same files, but the question for room is answered here.
  // `reserve`: what there must be before writes go on, as RocksDB has it: the largest write buffer
  // of a family.
  std::shared_ptr<rocksdb::FileSystem> Watch(const std::shared_ptr<rocksdb::FileSystem>& files,
                                             uint64_t reserve);

  // What a listener hears. `hard`: writes fail until the recovery has ended.
  void RecoveryBegins(bool hard) EXCLUDES(mutex_);
  void RecoveryEnded() EXCLUDES(mutex_);

  // From now on no try begins; returns when none is under way, or after a while, for a disk may
  // hang.
  void Close() EXCLUDES(mutex_);

 private:
  class WatchedFiles;
  bool MayTry(std::optional<uint64_t> free, uint64_t reserve) EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  bool hard_ GUARDED_BY(mutex_) = false;
  bool trying_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point ended_at_ GUARDED_BY(mutex_);
};

}  // namespace onced

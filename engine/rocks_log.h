// SPDX-License-Identifier: MIT
// RocksLog: the text file in which RocksDB notes what it does (db/LOG, and LOG.old before it).
//
// RocksDB's own logger aborts the process when the disk is full: its second write after a failed
// one trips an assertion in Debian's build, in the middle of handling the very error. This one
// drops a line that it cannot write.
//
// Private to the engine: includes RocksDB. Threads: any.
// Invariants: it never fails, never waits for a sync, holds two files of kMaxBytes at most, and has
// no key in it.
#pragma once

#include <rocksdb/env.h>

#include <cstdarg>
#include <memory>
#include <string>

#include "engine/clock.h"
#include "engine/mutex.h"

namespace onced {

class RocksLog : public rocksdb::Logger {
 public:
  static constexpr size_t kMaxBytes = size_t{4} << 20;

  // `folder` must exist, `clock` outlive this.
  RocksLog(const std::string& folder, rocksdb::InfoLogLevel level, Clock* clock);
  ~RocksLog() override;

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override;

  // The first line that told of a log that could be read only in part; "" when none did. This file
  // is the only place where RocksDB names that log.
  std::string Unreadable() const EXCLUDES(mutex_);

 private:
  void Reopen() REQUIRES(mutex_);

  const std::string path_;
  Clock* const clock_;
  mutable Mutex mutex_;
  int fd_ GUARDED_BY(mutex_) = -1;
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::string unreadable_ GUARDED_BY(mutex_);
};

}  // namespace onced

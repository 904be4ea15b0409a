// SPDX-License-Identifier: MIT
// FolderWatch: notes that a sync of a folder has failed, also where RocksDB passes over it.
//
// RocksDB 7.8 writes its options to a file at the end of a start, and when the sync of the folder
// fails there, it notes that in its text log and goes on. But a kernel may not keep what that sync
// was for whatever the next one says, and the entry of the log that is written to from now on is
// among it. (Its own option for this, fail_if_options_file_error, ends in an assertion.)
//
// Private to the engine: includes RocksDB.
// Threads: any. The file system may outlive the watch's other users.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

#include "engine/mutex.h"

namespace onced {

class FolderWatch : public std::enable_shared_from_this<FolderWatch> {
 public:
  // The same files, with syncs of folders watched.
  std::shared_ptr<rocksdb::FileSystem> Watch(const std::shared_ptr<rocksdb::FileSystem>& files);

  // Of the first sync that failed; ok: none has.
  rocksdb::IOStatus Failure() const EXCLUDES(mutex_);

 private:
  class WatchedFiles;
  class WatchedFolder;
  void Note(const rocksdb::IOStatus& synced) EXCLUDES(mutex_);

  mutable Mutex mutex_;
  rocksdb::IOStatus failure_ GUARDED_BY(mutex_);
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/rocks_log_guard.h"

#include <rocksdb/file_system.h>

#include <string>
#include <utility>

namespace onced {
namespace {

class WatchedLog : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedLog(std::unique_ptr<rocksdb::FSWritableFile> file, LogGuard* guard)
      : FSWritableFileOwnerWrapper(std::move(file)), guard_(guard) {}
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    return Seen(FSWritableFileOwnerWrapper::Append(data, options, debug));
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& info,
                           rocksdb::IODebugContext* debug) override {
    return Seen(FSWritableFileOwnerWrapper::Append(data, options, info, debug));
  }
  rocksdb::IOStatus Flush(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    return Seen(FSWritableFileOwnerWrapper::Flush(options, debug));
  }

 private:
  rocksdb::IOStatus Seen(rocksdb::IOStatus status) {
    if (!status.ok()) guard_->AppendFailed();
    return status;
  }
  LogGuard* const guard_;
};

class WatchedFiles : public rocksdb::FileSystemWrapper {
 public:
  WatchedFiles(const std::shared_ptr<rocksdb::FileSystem>& files, LogGuard* guard)
      : FileSystemWrapper(files), guard_(guard) {}
  const char* Name() const override { return "onced.WatchedFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus made = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (made.ok() && name.ends_with(".log")) {
      guard_->LogBegun();
      *file = std::make_unique<WatchedLog>(std::move(*file), guard_);
    }
    return made;
  }

 private:
  LogGuard* const guard_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> LogGuard::Watch(rocksdb::Env* env) {
  return rocksdb::NewCompositeEnv(std::make_shared<WatchedFiles>(env->GetFileSystem(), this));
}

bool LogGuard::BeginSync() {
  MutexLock lock(mutex_);
  if (broken_) return false;
  syncing_ = true;
  return true;
}

void LogGuard::EndSync() {
  MutexLock lock(mutex_);
  syncing_ = false;
  synced_.NotifyAll();
}

void LogGuard::AppendFailed() {
  MutexLock lock(mutex_);
  broken_ = true;
  replaced_ = false;
  while (syncing_) synced_.Wait(mutex_);
}

void LogGuard::LogBegun() {
  MutexLock lock(mutex_);
  replaced_ = true;
}

bool LogGuard::Repaired() {
  MutexLock lock(mutex_);
  if (broken_ && !replaced_) return false;
  broken_ = false;
  return true;
}

}  // namespace onced

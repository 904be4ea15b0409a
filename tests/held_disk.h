// SPDX-License-Identifier: MIT
// HeldDisk: a file system whose logs do what a test wants: hold their fsyncs back, break, or be
// full. Everything else goes to the real one.
//
// Threads: any.
// Invariants: nothing but *.log is touched; LetGo() lets every held fsync end.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "engine/mutex.h"

namespace onced {

class HeldDisk {
 public:
  void Hold() {
    MutexLock lock(mutex_);
    held_ = true;
  }
  void LetGo() {
    MutexLock lock(mutex_);
    held_ = false;
    changed_.NotifyAll();
  }
  // Whether one is being held back, or soon is.
  bool AwaitSync() {
    MutexLock lock(mutex_);
    while (waiting_ == 0) {
      if (!changed_.WaitFor(mutex_, std::chrono::seconds(10))) return false;
    }
    return true;
  }
  rocksdb::IOStatus BeforeSync() {
    MutexLock lock(mutex_);
    ++waiting_;
    changed_.NotifyAll();
    while (held_) changed_.Wait(mutex_);
    --waiting_;
    return breaks_syncs ? rocksdb::IOStatus::IOError("the disk is broken")
                        : rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus BeforeAppend() {
    if (breaks_appends) return rocksdb::IOStatus::IOError("the disk is broken");
    if (full) return rocksdb::IOStatus::NoSpace("the disk is full");
    return rocksdb::IOStatus::OK();
  }

  std::atomic<bool> breaks_syncs{false}, breaks_appends{false}, full{false};

 private:
  Mutex mutex_;
  CondVar changed_;
  bool held_ = false;
  int waiting_ = 0;
};

class HeldLog : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  HeldLog(std::unique_ptr<rocksdb::FSWritableFile> file, HeldDisk* disk)
      : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk) {}
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = disk_->BeforeAppend();
    return status.ok() ? FSWritableFileOwnerWrapper::Append(data, options, debug) : status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& info,
                           rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = disk_->BeforeAppend();
    return status.ok() ? FSWritableFileOwnerWrapper::Append(data, options, info, debug) : status;
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = disk_->BeforeSync();
    return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : status;
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = disk_->BeforeSync();
    return status.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : status;
  }

 private:
  HeldDisk* const disk_;
};

class HeldFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit HeldFileSystem(HeldDisk* disk)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}
  const char* Name() const override { return "HeldFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok() && name.ends_with(".log")) {
      *file = std::make_unique<HeldLog>(std::move(*file), disk_);
    }
    return status;
  }

 private:
  HeldDisk* const disk_;
};

inline std::unique_ptr<rocksdb::Env> EnvOn(HeldDisk* disk) {
  return rocksdb::NewCompositeEnv(std::make_shared<HeldFileSystem>(disk));
}

}  // namespace onced

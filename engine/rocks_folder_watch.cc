// SPDX-License-Identifier: MIT
#include "engine/rocks_folder_watch.h"

#include <string>
#include <utility>

namespace onced {

using rocksdb::DirFsyncOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class FolderWatch::WatchedFolder : public rocksdb::FSDirectoryWrapper {
 public:
  WatchedFolder(std::unique_ptr<rocksdb::FSDirectory> folder, std::shared_ptr<FolderWatch> watch)
      : FSDirectoryWrapper(std::move(folder)), watch_(std::move(watch)) {}
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus synced = FSDirectoryWrapper::Fsync(options, debug);
    watch_->Note(synced);
    return synced;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const DirFsyncOptions& why) override {
    IOStatus synced = FSDirectoryWrapper::FsyncWithDirOptions(options, debug, why);
    watch_->Note(synced);
    return synced;
  }

 private:
  const std::shared_ptr<FolderWatch> watch_;
};

class FolderWatch::WatchedFiles : public rocksdb::FileSystemWrapper {
 public:
  WatchedFiles(const std::shared_ptr<rocksdb::FileSystem>& files,
               std::shared_ptr<FolderWatch> watch)
      : FileSystemWrapper(files), watch_(std::move(watch)) {}
  const char* Name() const override { return "onced.WatchedFolders"; }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* folder,
                        IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSDirectory> made;
    IOStatus status = FileSystemWrapper::NewDirectory(name, options, &made, debug);
    if (status.ok()) *folder = std::make_unique<WatchedFolder>(std::move(made), watch_);
    return status;
  }

 private:
  const std::shared_ptr<FolderWatch> watch_;
};

std::shared_ptr<rocksdb::FileSystem> FolderWatch::Watch(
    const std::shared_ptr<rocksdb::FileSystem>& files) {
  return std::make_shared<WatchedFiles>(files, shared_from_this());
}

IOStatus FolderWatch::Failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

void FolderWatch::Note(const IOStatus& synced) {
  if (synced.ok()) return;
  MutexLock lock(mutex_);
  if (failure_.ok()) failure_ = synced;
}

}  // namespace onced

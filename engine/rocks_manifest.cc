// SPDX-License-Identifier: MIT
#include "engine/rocks_manifest.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

namespace onced {
namespace {

namespace fs = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::string_view kManifest = "MANIFEST-";

// 0: it is none.
uint64_t NumberOf(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  uint64_t number = 0;
  if (!name.starts_with(kManifest)) return number;
  std::from_chars(name.data() + kManifest.size(), name.data() + name.size(), number);
  return number;
}

std::string CurrentOf(const std::string& database) {
  std::string current;
  std::ifstream file(database + "/CURRENT");
  std::getline(file, current);
  return current;
}

class WatchedManifest : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedManifest(std::unique_ptr<rocksdb::FSWritableFile> file, uint64_t number,
                  const ManifestKeeper& keep)
      : FSWritableFileOwnerWrapper(std::move(file)), number_(number), keep_(keep) {}
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Kept(FSWritableFileOwnerWrapper::Sync(options, debug), options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Kept(FSWritableFileOwnerWrapper::Fsync(options, debug), options, debug);
  }

 private:
  IOStatus Kept(IOStatus synced, const IOOptions& options, IODebugContext* debug) {
    if (!synced.ok()) return synced;
    const Status kept = keep_({.number = number_, .bytes = GetFileSize(options, debug)});
    if (kept.ok()) return synced;
    // RocksDB recovers from the one, and not from the other.
    IOStatus failed = IOStatus::IOError(kept.message());
    if (kept.fault() == Fault::kNoSpace) failed = IOStatus::NoSpace(kept.message());
    return failed;
  }
  const uint64_t number_;
  const ManifestKeeper& keep_;
};

class WatchedFiles : public rocksdb::FileSystemWrapper {
 public:
  WatchedFiles(const std::shared_ptr<rocksdb::FileSystem>& files, ManifestKeeper keep)
      : FileSystemWrapper(files), keep_(std::move(keep)) {}
  const char* Name() const override { return "onced.WatchedManifest"; }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus made = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    const uint64_t number = NumberOf(name);
    if (made.ok() && number > 0) {
      *file = std::make_unique<WatchedManifest>(std::move(*file), number, keep_);
    }
    return made;
  }

 private:
  const ManifestKeeper keep_;
};

Status Failed(const std::string& what, const std::string& path, int error) {
  return Status::IoError(what + " " + path + ": " + std::strerror(error));
}

Status SyncPath(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path, errno);
  const bool synced = fsync(fd) == 0;
  const int error = errno;
  close(fd);
  return synced ? Status::Ok() : Failed("sync", path, error);
}

Status CutFile(const std::string& path, uint64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return Failed("open", path, errno);
  const bool cut = ftruncate(fd, static_cast<off_t>(bytes)) == 0 && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  return cut ? Status::Ok() : Failed("cut", path, error);
}

}  // namespace

std::unique_ptr<rocksdb::Env> WatchManifest(rocksdb::Env* env, ManifestKeeper keep) {
  return rocksdb::NewCompositeEnv(
      std::make_shared<WatchedFiles>(env->GetFileSystem(), std::move(keep)));
}

uint64_t CurrentManifest(const std::string& database) { return NumberOf(CurrentOf(database)); }

Status CheckManifest(const std::string& database, const ManifestExtent& synced) {
  const int readable = open((database + "/CURRENT").c_str(), O_RDONLY | O_CLOEXEC);
  if (readable < 0 && errno != ENOENT) return Failed("open", database + "/CURRENT", errno);
  if (readable >= 0) close(readable);
  const std::string current = CurrentOf(database);
  const uint64_t number = NumberOf(current);
  if (number == 0) return Status::Ok();  // RocksDB will say so
  std::error_code error;
  const uint64_t bytes = fs::file_size(database + "/" + current, error);
  if (error) return Status::Ok();  // the same
  if (number < synced.in_use) {
    return Status::Corruption("open " + database + ": CURRENT names " + current + ", but " +
                              std::string(kManifest) + std::to_string(synced.in_use) +
                              " was in use");
  }
  const uint64_t least = synced.BytesOf(number).value_or(0);
  if (bytes < least) {
    return Status::Corruption("open " + database + ": " + current + " has " +
                              std::to_string(bytes) + " bytes, but " + std::to_string(least) +
                              " were synced");
  }
  return Status::Ok();
}

Result<bool> HasUnsyncedEnd(const std::string& database, const ManifestExtent& synced) {
  const std::string current = CurrentOf(database);
  const std::optional<uint64_t> least = synced.BytesOf(NumberOf(current));
  if (!least.has_value()) return false;
  std::error_code error;
  const uint64_t bytes = fs::file_size(database + "/" + current, error);
  return !error && bytes > *least;
}

Result<bool> CutManifest(const std::string& database, const ManifestExtent& synced,
                         const std::string& aside) {
  Result<bool> has_end = HasUnsyncedEnd(database, synced);
  if (!has_end.ok() || !*has_end) return has_end;
  const std::string current = CurrentOf(database);
  const std::string path = database + "/" + current;
  std::error_code error;
  fs::create_directories(aside, error);
  if (!error) {
    fs::copy_file(path, aside + "/" + current, fs::copy_options::overwrite_existing, error);
  }
  if (error) return Failed("keep", path, error.value());
  ONCED_RETURN_IF_ERROR(SyncPath(aside + "/" + current));
  ONCED_RETURN_IF_ERROR(SyncPath(aside));
  ONCED_RETURN_IF_ERROR(CutFile(path, *synced.BytesOf(NumberOf(current))));
  return true;
}

}  // namespace onced

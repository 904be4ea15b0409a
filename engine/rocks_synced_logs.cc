// SPDX-License-Identifier: MIT
#include "engine/rocks_synced_logs.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/rocks_log_records.h"

namespace onced {

namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::string_view kExtension = ".log";

// 0: it is none.
uint64_t NumberOf(const std::string& path) {
  uint64_t number = 0;
  if (!path.ends_with(kExtension)) return number;
  const std::string name = std::filesystem::path(path).stem().string();
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

std::string NameOf(uint64_t number) {
  std::array<char, 32> name{};
  (void)std::snprintf(name.data(), name.size(), "%06llu%s", static_cast<unsigned long long>(number),
                      kExtension.data());
  return name.data();
}

// Where the first `bytes` of a log cease to be records; nothing: nowhere.
std::optional<uint64_t> OddRecord(std::ifstream& file, uint64_t bytes) {
  LogRecords records;
  std::vector<char> piece(64U << 10);
  for (uint64_t left = bytes; left > 0;) {
    const uint64_t size = std::min<uint64_t>(piece.size(), left);
    if (!file.read(piece.data(), static_cast<std::streamsize>(size))) return bytes - left;
    if (!records.Follow({piece.data(), size})) break;
    left -= size;
  }
  if (records.end() == bytes) return std::nullopt;
  return records.end();
}

}  // namespace

struct SyncedLogs::Log {
  Log(uint64_t n, const std::shared_ptr<rocksdb::FSWritableFile>& f) : number(n), file(f) {}

  // What was appended before it began is on the disk when it succeeds. One at a time, and none
  // after one that failed: the kernel tells a file's fault to one of those who sync it, and what
  // was to be written then is lost, whatever it tells the others. Nothing to do where nothing was
  // tried since the last one.
  IOStatus Sync(rocksdb::FSWritableFile& of, bool all, const IOOptions& options,
                IODebugContext* debug) EXCLUDES(using_file) {
    MutexLock lock(using_file);
    if (closed) return IOStatus::OK();  // RocksDB has done with it
    if (!sync_failure.ok()) return sync_failure;
    const uint64_t before = appends.load(std::memory_order_acquire);
    const uint64_t bytes = records.load(std::memory_order_acquire);
    if (before == synced_appends) return IOStatus::OK();
    IOStatus done = all ? of.Fsync(options, debug) : of.Sync(options, debug);
    if (done.ok()) {
      synced_appends = before;
      synced.store(bytes, std::memory_order_release);
    } else {
      sync_failure = done;
    }
    return done;
  }

  const uint64_t number;
  const std::weak_ptr<rocksdb::FSWritableFile> file;  // RocksDB closes it
  std::atomic<uint64_t> appends{0};  // also those that failed: who syncs it then need not again
  std::atomic<uint64_t> records{0};  // bytes of whole ones; none behind an append that failed
  std::atomic<uint64_t> synced{0};   // of `records`
  Mutex using_file;
  bool closed GUARDED_BY(using_file) = false;
  IOStatus sync_failure GUARDED_BY(using_file);
  uint64_t synced_appends GUARDED_BY(using_file) = 0;
  uint64_t counted = 0;  // of `synced`, under the mutex of all: with its entry in the folder
};

class SyncedLogs::WatchedLog : public rocksdb::FSWritableFileWrapper {
 public:
  WatchedLog(std::shared_ptr<rocksdb::FSWritableFile> file, std::shared_ptr<Log> log)
      : FSWritableFileWrapper(file.get()), file_(std::move(file)), log_(std::move(log)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return Counted(data, [&] { return FSWritableFileWrapper::Append(data, options, debug); });
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return Counted(data, [&] { return FSWritableFileWrapper::Append(data, options, info, debug); });
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return log_->Sync(*file_, /*all=*/false, options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return log_->Sync(*file_, /*all=*/true, options, debug);
  }
  // Not while the one who begins the next log syncs it.
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    MutexLock lock(log_->using_file);
    log_->closed = true;
    return FSWritableFileWrapper::Close(options, debug);
  }

 private:
  template <typename Appending>
  IOStatus Counted(const Slice& data, const Appending& append) {
    const bool are_records = records_.Follow({data.data(), data.size()});
    IOStatus status = are_records ? append() : IOStatus::Corruption("a log of no records");
    failed_ = failed_ || !status.ok();
    if (!failed_) log_->records.store(records_.end(), std::memory_order_release);
    log_->appends.fetch_add(1, std::memory_order_release);
    return status;
  }

  const std::shared_ptr<rocksdb::FSWritableFile> file_;
  const std::shared_ptr<Log> log_;
  LogRecords records_;   // RocksDB appends one after another
  bool failed_ = false;  // what is behind a failed append is nowhere that we know of
};

class SyncedLogs::WatchedFiles : public rocksdb::FileSystemWrapper {
 public:
  WatchedFiles(const std::shared_ptr<rocksdb::FileSystem>& files, std::shared_ptr<SyncedLogs> logs,
               LogForgetter forget)
      : FileSystemWrapper(files), logs_(std::move(logs)), forget_(std::move(forget)) {}
  const char* Name() const override { return "onced.SyncedLogs"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    const uint64_t number = NumberOf(name);
    if (number == 0) return FileSystemWrapper::NewWritableFile(name, options, file, debug);
    // RocksDB appends nothing to them any more: it begins a log between two writes. Most often it
    // is one; but a log that was begun may also have been given up again.
    for (const std::shared_ptr<Log>& before : logs_->All()) {
      const std::shared_ptr<rocksdb::FSWritableFile> open = before->file.lock();
      if (open == nullptr) continue;
      IOStatus synced = before->Sync(*open, /*all=*/false, options.io_options, debug);
      if (!synced.ok()) return synced;
    }
    std::unique_ptr<rocksdb::FSWritableFile> made;
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, &made, debug);
    if (!status.ok()) return status;
    std::shared_ptr<rocksdb::FSWritableFile> shared = std::move(made);
    auto log = std::make_shared<Log>(number, shared);
    logs_->Begun(log);
    *file = std::make_unique<WatchedLog>(std::move(shared), std::move(log));
    return status;
  }

  IOStatus DeleteFile(const std::string& name, const IOOptions& options,
                      IODebugContext* debug) override {
    const uint64_t number = NumberOf(name);
    if (number != 0 && forget_ != nullptr) {
      logs_->Gone(number);
      const Status forgotten = forget_(number);
      if (!forgotten.ok()) return IOStatus::IOError(forgotten.message());
    }
    return FileSystemWrapper::DeleteFile(name, options, debug);
  }

 private:
  const std::shared_ptr<SyncedLogs> logs_;
  const LogForgetter forget_;
};

std::shared_ptr<rocksdb::FileSystem> SyncedLogs::Watch(
    const std::shared_ptr<rocksdb::FileSystem>& files, LogForgetter forget) {
  return std::make_shared<WatchedFiles>(files, shared_from_this(), std::move(forget));
}

std::vector<std::shared_ptr<SyncedLogs::Log>> SyncedLogs::All() const {
  MutexLock lock(mutex_);
  return logs_;
}

void SyncedLogs::Begun(std::shared_ptr<Log> log) {
  MutexLock lock(mutex_);
  logs_.push_back(std::move(log));
}

void SyncedLogs::Gone(uint64_t number) {
  MutexLock lock(mutex_);
  std::erase_if(logs_, [number](const std::shared_ptr<Log>& log) { return log->number == number; });
}

uint64_t SyncedLogs::Newest() const {
  MutexLock lock(mutex_);
  for (auto log = logs_.rbegin(); log != logs_.rend(); ++log) {
    if ((*log)->appends.load(std::memory_order_acquire) > 0) return (*log)->number;
  }
  return 0;
}

void SyncedLogs::SyncedUpTo(uint64_t newest) {
  MutexLock lock(mutex_);
  for (const std::shared_ptr<Log>& log : logs_) {
    if (log->number <= newest) log->counted = log->synced.load(std::memory_order_acquire);
  }
}

std::vector<LogExtent> SyncedLogs::List() const {
  std::vector<LogExtent> list;
  MutexLock lock(mutex_);
  for (const std::shared_ptr<Log>& log : logs_) {
    if (log->counted > 0) list.push_back({.number = log->number, .bytes = log->counted});
  }
  return list;
}

Status CheckLogs(const std::string& database, const std::vector<LogExtent>& synced) {
  const auto fault = [](const std::string& path, const std::string& what, const LogExtent& log) {
    std::string message = "open: synced data is missing or damaged: ";
    message.append(path).append(what).append(", but ").append(std::to_string(log.bytes));
    return Status::Corruption(message.append(" bytes of it were synced and are still needed"));
  };
  for (const LogExtent& log : synced) {
    const std::string path = database + "/" + NameOf(log.number);
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(path, error);
    if (error == std::errc::no_such_file_or_directory) return fault(path, " is not there", log);
    if (error) return Status::IoError("look at " + path + ": " + error.message());
    if (bytes < log.bytes) return fault(path, " has " + std::to_string(bytes) + " bytes", log);
    std::ifstream file(path, std::ios::binary);
    if (const std::optional<uint64_t> odd = OddRecord(file, log.bytes)) {
      return fault(path, " has no record at byte " + std::to_string(*odd), log);
    }
  }
  return Status::Ok();
}

}  // namespace onced

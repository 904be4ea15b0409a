// SPDX-License-Identifier: MIT
#include "engine/rocks_database.h"

#include <rocksdb/listener.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/sst_file_manager.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "engine/mutex.h"
#include "engine/rocks_folder_watch.h"
#include "engine/rocks_options.h"

namespace onced {
namespace {

// `doing` starts the message: "read", "write", ...
Status Converted(const char* doing, const rocksdb::Status& s) {
  if (s.ok()) return Status::Ok();
  std::string message = std::string(doing) + ": " + s.ToString();
  if (s.IsNoSpace()) return Status::NoSpace(std::move(message));
  if (s.IsCorruption() || s.IsInvalidArgument()) return Status::Corruption(std::move(message));
  // With no_slowdown this means that nothing was written.
  if (s.IsIncomplete() || s.IsBusy()) return Status::Unavailable(std::move(message));
  return Status::IoError(std::move(message));
}

// RocksDB counts every comparison of keys for its thread, in variables that are dear to reach from
// a shared library, and nobody here reads the counts. (Measured: an INCR at the Redis door costs
// 0.8 of the time without.) The level is the thread's, which may use a RocksDB of its own too.
class Uncounted {
 public:
  Uncounted() : level_(rocksdb::GetPerfLevel()) {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  }
  ~Uncounted() { rocksdb::SetPerfLevel(level_); }
  Uncounted(const Uncounted&) = delete;
  Uncounted& operator=(const Uncounted&) = delete;

 private:
  const rocksdb::PerfLevel level_;
};

}  // namespace

std::string AuditPrefix(const Key& key) {
  const std::string& encoded = key.encoded();
  std::string out;
  out.reserve(2 + encoded.size() + 8);
  // Length first, so that the rows of one key are never among those of a longer one.
  out.push_back(static_cast<char>(encoded.size() >> 8));
  out.push_back(static_cast<char>(encoded.size() & 0xFF));
  return out.append(encoded);
}

class RocksDatabase::Listener : public rocksdb::EventListener {
 public:
  Listener(LogGuard* guard, std::shared_ptr<RoomWatch> room, StoreCounts* counts)
      : guard_(guard), room_(std::move(room)), counts_(counts) {}

  // On return nobody runs the handler that was there before.
  void SetHandler(ErrorHandler handler) {
    MutexLock lock(mutex_);
    while (running_ > 0) left_.Wait(mutex_);
    handler_ = std::move(handler);
  }

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    using Reason = rocksdb::BackgroundErrorReason;
    counts_->troubles.fetch_add(1, std::memory_order_relaxed);
    const Running running(*this);
    const ErrorHandler& handler = running.handler();
    // What RocksDB calls fatal it does not recover from, also not when there is room again: so is a
    // full log when the write has come to the memtables, as one of a group of several may.
    if (!error->IsNoSpace() || error->severity() >= rocksdb::Status::Severity::kFatalError) {
      if (handler.log_lost) handler.log_lost(Converted("background error", *error));
      return;
    }
    const bool writes_fail = reason == Reason::kWriteCallback || reason == Reason::kManifestWrite ||
                             error->severity() >= rocksdb::Status::Severity::kHardError;
    if (writes_fail && handler.out_of_space) handler.out_of_space();
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status error,
                            bool* /*auto_recovery*/) override {
    room_->RecoveryBegins(error.severity() >= rocksdb::Status::Severity::kHardError);
  }

  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    TellRecovered(info);
    room_->RecoveryEnded();
  }

 private:
  void TellRecovered(const rocksdb::BackgroundErrorRecoveryInfo& info) {
    if (!info.new_bg_error.ok()) return;
    const Running running(*this);
    const ErrorHandler& handler = running.handler();
    if (guard_->Repaired()) {
      if (handler.recovered) handler.recovered();
    } else if (handler.log_lost) {
      // With nothing in memory RocksDB begins no new log, and the next write to the old one would
      // abort the process.
      handler.log_lost(Status::NoSpace("recover: the log was not replaced"));
    }
  }

  // One use of the handler, by a thread of the database. It is called with nothing held, and what
  // it calls into may be gone as soon as it has been replaced; so a replacement waits for this.
  class Running {
   public:
    explicit Running(Listener& listener) : listener_(listener) {
      MutexLock lock(listener_.mutex_);
      ++listener_.running_;
      handler_ = listener_.handler_;
    }
    ~Running() {
      MutexLock lock(listener_.mutex_);
      --listener_.running_;
      listener_.left_.NotifyAll();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    const ErrorHandler& handler() const { return handler_; }

   private:
    Listener& listener_;
    ErrorHandler handler_;
  };

  LogGuard* const guard_;
  const std::shared_ptr<RoomWatch> room_;
  StoreCounts* const counts_;
  Mutex mutex_;
  CondVar left_;
  int running_ GUARDED_BY(mutex_) = 0;
  ErrorHandler handler_ GUARDED_BY(mutex_);
};

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::Open(const std::string& path,
                                                           const RocksStoreOptions& options,
                                                           Clock* clock, ManifestKeeper keep,
                                                           LogForgetter forget) {
  std::unique_ptr<RocksDatabase> database(new RocksDatabase());
  database->listener_ =
      std::make_shared<Listener>(&database->log_guard_, database->room_, &database->counts_);
  rocksdb::DBOptions db_options = DatabaseOptions(options.footprint);
  db_options.listeners.push_back(database->listener_);
  rocksdb::Env* const base = options.env != nullptr ? options.env : rocksdb::Env::Default();
  const auto folders = std::make_shared<FolderWatch>();
  const std::unique_ptr<rocksdb::Env> with_logs = rocksdb::NewCompositeEnv(
      database->synced_logs_->Watch(folders->Watch(base->GetFileSystem()), forget));
  database->env_ = database->log_guard_.Watch(
      keep != nullptr ? WatchManifest(with_logs.get(), std::move(keep)).get() : with_logs.get());
  db_options.env = database->env_.get();
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  database->text_log_ = std::make_shared<RocksLog>(path, db_options.info_log_level, clock);
  db_options.info_log = database->text_log_;
  const SharedMemory memory = NewSharedMemory(options.footprint);
  db_options.write_buffer_manager = memory.write_buffers;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (int i = 0; i < kFamilies; ++i) {
    const FamilyNature nature{.mortal = static_cast<Family>(i) != Family::kEffects,
                              .rewritten = static_cast<Family>(i) == Family::kKeyspace};
    families.emplace_back(
        kFamilyNames[static_cast<size_t>(i)],
        FamilyOptions(options.footprint, memory, nature, clock, &database->counts_.dropped));
  }
  // A full disk is the one error to recover from without a restart; this watches for room.
  uint64_t reserve = 0;
  for (const auto& family : families) {
    reserve = std::max<uint64_t>(reserve, family.options.write_buffer_size);
  }
  // Logs, too, are deleted by it.
  const auto files = database->synced_logs_->Watch(base->GetFileSystem(), std::move(forget));
  db_options.sst_file_manager.reset(
      rocksdb::NewSstFileManager(rocksdb::Env::Default(), database->room_->Watch(files, reserve)));
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      rocksdb::DB::Open(db_options, path, families, &database->handles_, &db);
  database->db_.reset(db);
  // A file that the others name is missing, or the format is newer: not a disk that fails.
  if (opened.IsPathNotFound() || opened.IsNotFound() || opened.IsNotSupported()) {
    return Status::Corruption("open database: " + opened.ToString());
  }
  const std::string unreadable = database->Unreadable();
  if (opened.IsCorruption() && !unreadable.empty()) {
    return Status::Corruption("open database: " + opened.ToString() + ": " + unreadable);
  }
  ONCED_RETURN_IF_ERROR(Converted("open database", opened));
  ONCED_RETURN_IF_ERROR(Converted("open database: sync folder", folders->Failure()));
  return database;
}

RocksDatabase::~RocksDatabase() {
  if (db_ == nullptr) return;
  listener_->SetHandler({});
  room_->Close();
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
}

void RocksDatabase::SetErrorHandler(ErrorHandler handler) {
  listener_->SetHandler(std::move(handler));
}

// A read that failed has changed nothing. And a damaged table is met by whoever reads it, long
// before RocksDB's own threads do.
Status RocksDatabase::ToldRead(const char* doing, const rocksdb::Status& s) {
  Status status = Converted(doing, s);
  if (status.ok()) return status;
  if (status.fault() == Fault::kCorruption) {
    counts_.troubles.fetch_add(1, std::memory_order_relaxed);
  }
  const bool of_disk = status.fault() == Fault::kIoError || status.fault() == Fault::kNoSpace;
  return of_disk ? Status::Unreadable(status.message()) : status;
}

Result<bool> RocksDatabase::Get(Family family, const std::string& key,
                                rocksdb::PinnableSlice* value) {
  const Uncounted uncounted;
  const rocksdb::Status s = db_->Get(rocksdb::ReadOptions(), handle(family), key, value);
  if (s.IsNotFound()) return false;
  ONCED_RETURN_IF_ERROR(ToldRead("read", s));
  return true;
}

Result<std::optional<std::string>> RocksDatabase::Get(Family family, const std::string& key) {
  rocksdb::PinnableSlice value;
  const Result<bool> found = Get(family, key, &value);
  if (!found.ok()) return found.status();
  if (!*found) return std::optional<std::string>();
  return std::optional<std::string>(value.ToString());
}

Status RocksDatabase::Walk(
    Family family, const std::string& prefix, const std::string& after,
    const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  const Uncounted uncounted;
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions(), handle(family)));
  it->Seek(after.empty() ? prefix : after);
  if (it->Valid() && !after.empty() && it->key() == after) it->Next();
  for (; it->Valid() && it->key().starts_with(prefix); it->Next()) {
    if (!visit({it->key().data(), it->key().size()}, {it->value().data(), it->value().size()})) {
      break;
    }
  }
  return ToldRead("list", it->status());
}

Status RocksDatabase::Write(rocksdb::WriteBatch* batch) {
  const Uncounted uncounted;
  rocksdb::WriteOptions options;
  options.sync = false;  // the commit gate syncs, for many at once
  options.no_slowdown = true;
  const Status written = Converted("write", db_->Write(options, batch));
  if (!written.ok() && written.fault() == Fault::kUnavailable) {
    counts_.stalled.fetch_add(1, std::memory_order_relaxed);
  }
  // Whatever was damaged, it may be in the log.
  const bool damaged = !written.ok() && written.fault() == Fault::kCorruption;
  return damaged ? Status::IoError(written.message()) : written;
}

Status RocksDatabase::Sync() {
  // Whoever failed to append has told, or is about to tell, the error handler.
  if (!log_guard_.BeginSync()) return Status::Unavailable("sync log: a write to it has failed");
  const auto begun = std::chrono::steady_clock::now();
  const uint64_t newest = synced_logs_->Newest();
  const rocksdb::Status synced = db_->SyncWAL();
  if (synced.ok()) synced_logs_->SyncedUpTo(newest);
  counts_.syncs.Add(std::chrono::steady_clock::now() - begun);
  log_guard_.EndSync();
  return Converted("sync log", synced);
}

Status RocksDatabase::FlushTables() {
  return Converted("flush", db_->Flush(rocksdb::FlushOptions(), handles_));
}

uint64_t RocksDatabase::Property(Family family, const std::string& name) const {
  uint64_t value = 0;
  db_->GetIntProperty(handle(family), name, &value);
  return value;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// RocksDatabase: the open RocksDB with its column families, and the one place where a
// rocksdb::Status becomes a Status.
//
//   default   records, by encoded Key
//   audit     ended runs, by u16 length of encoded Key | encoded Key | fence (both big-endian)
//   effects   what Execute's functions write, by encoded Key; no TTL filter
//   keyspace  values under names, see rocks_keyspace.cc
//
// Private to the engine: includes RocksDB.
// Threads: any, but Open, SetErrorHandler and the destructor.
// Invariants: every write goes through Write(), with one set of WriteOptions: a mixture would cut
// RocksDB's write groups apart.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/clock.h"
#include "engine/commit_gate.h"
#include "engine/key.h"
#include "engine/rocks_log.h"
#include "engine/rocks_log_guard.h"
#include "engine/rocks_manifest.h"
#include "engine/rocks_room.h"
#include "engine/rocks_store.h"
#include "engine/rocks_synced_logs.h"
#include "engine/store_counts.h"

namespace onced {

// The first bytes of the audit rows of `key`, and of no other key's; the fence follows.
std::string AuditPrefix(const Key& key);

enum class Family { kRecords, kAudit, kEffects, kKeyspace };
constexpr int kFamilies = 4;
inline constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "audit", "effects",
                                                                    "keyspace"};

// How the database reports, from its own threads, that it is in trouble or out of it again.
struct ErrorHandler {
  std::function<void()> out_of_space;           // writes fail until...
  std::function<void()> recovered;              // ...this
  std::function<void(const Status&)> log_lost;  // nothing written from now on can be relied on
};

class RocksDatabase : public Log {
 public:
  // Corruption when the database cannot be read. `clock` must outlive it. `keep`, `forget`: see
  // WatchManifest and SyncedLogs; may be absent.
  static Result<std::unique_ptr<RocksDatabase>> Open(const std::string& path,
                                                     const RocksStoreOptions& options, Clock* clock,
                                                     ManifestKeeper keep = nullptr,
                                                     LogForgetter forget = nullptr);
  ~RocksDatabase() override;

  // REQUIRES: called before the first Write.
  void SetErrorHandler(ErrorHandler handler);

  // nullopt when there is no such key.
  Result<std::optional<std::string>> Get(Family family, const std::string& key);
  // The same without a copy: valid until `value` is reset.
  Result<bool> Get(Family family, const std::string& key, rocksdb::PinnableSlice* value);

  // Visits keys that start with `prefix`, from behind `after` (a full key; empty: from the first),
  // until `visit` returns false.
  Status Walk(Family family, const std::string& prefix, const std::string& after,
              const std::function<bool(std::string_view key, std::string_view value)>& visit);

  // Atomic, into the log, not synced. Never waits: Unavailable when RocksDB would stall.
  Status Write(rocksdb::WriteBatch* batch);

  uint64_t LatestSequence() override { return db_->GetLatestSequenceNumber(); }
  Status Sync() override;

  // Writes memory out to tables, so that the next start has no log to replay.
  Status FlushTables();
  uint64_t Property(Family family, const std::string& name) const;

  const StoreCounts& counts() const { return counts_; }
  const SyncedLogs& synced_logs() const { return *synced_logs_; }
  // What could not be read of a log when this was opened, with the log's name; "": nothing.
  std::string Unreadable() const { return text_log_->Unreadable(); }

  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }
  rocksdb::DB* raw() { return db_.get(); }

 private:
  class Listener;
  RocksDatabase() = default;

  Status ToldRead(const char* doing, const rocksdb::Status& s);

  StoreCounts counts_;  // before the database, whose filters count here
  LogGuard log_guard_;
  const std::shared_ptr<SyncedLogs> synced_logs_ = std::make_shared<SyncedLogs>();
  std::shared_ptr<RocksLog> text_log_;
  const std::shared_ptr<RoomWatch> room_ = std::make_shared<RoomWatch>();
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<Listener> listener_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace onced

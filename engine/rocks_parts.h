// SPDX-License-Identifier: MIT
// RocksStore::Parts: what an open RocksStore is made of, how it comes up and who looks after it.
// The order of coming up is the safety of it: folder locked, mark read, what an unfinished first
// start has left dropped, logs linked aside, database opened, what was recovered held against the
// mark, a new fence epoch made durable; only then the gate and the first claim.
//
// Private to the engine: includes RocksDB.
// Threads: Open's thread builds it; LookAfter runs on the caretaker's; the rest as RocksStore.
// Invariants: nothing but OpenFolderAndClock (the very first mark), RocksDB's threads as the
// MANIFEST is synced, TakeEpoch, the fences (a full counter), LookAfter and the closing store
// writes the high-water mark.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/data_folder.h"
#include "engine/fences.h"
#include "engine/high_water.h"
#include "engine/orphan.h"
#include "engine/rocks_database.h"
#include "engine/rocks_store.h"
#include "engine/rounds.h"
#include "engine/table_reaper.h"

namespace onced {

// Whether a value of the keyspace can be read (rocks_keyspace.cc).
Status CheckStoredValue(std::string_view value);

// In the order in which they are made; destroyed in the reverse one.
struct RocksStore::Parts {
  explicit Parts(RocksStoreOptions o);

  const RocksStoreOptions options;
  Stripes stripes;
  std::unique_ptr<DataFolder> folder;
  std::unique_ptr<HighWater> high_water;
  std::unique_ptr<GuardedClock> guarded_clock;
  Clock* clock = nullptr;
  std::unique_ptr<RocksDatabase> db;
  std::unique_ptr<Fences> fences;
  ProcessStart start;
  std::unique_ptr<CommitGate> gate;
  std::unique_ptr<TableReaper> reaper;
  Mutex reaping;  // one round at a time
  std::atomic<uint64_t> free_bytes{0};
  std::atomic<uint64_t> needed_bytes{0};
  std::atomic<uint64_t> disk_bytes{0};
  std::atomic<bool> space_low{false};
  // As StoreReadiness has them.
  std::atomic<std::chrono::steady_clock::time_point> read_at{};
  std::atomic<bool> read_failed{false};
  std::atomic<bool> writes_stopped{false};
  // Until then a write that found no room counts as the state of the disk, whatever that says.
  std::atomic<std::chrono::steady_clock::time_point> full_until{};
  std::atomic<bool> no_backups{false};
  uint64_t marked_latest = 0;  // the caretaker's
  uint64_t looks = 0;          // the caretaker's
  std::unique_ptr<Rounds> caretaker;
  std::unique_ptr<Rounds> reaper_rounds;

  Status OpenFolderAndClock();
  Status OpenDatabase();
  Status CheckRecovered();
  Status TakeEpoch();
  void StartThreads();
  void LookAfter();
  Status SaveMark();
  Status FillBackup(const std::string& into);  // rocks_backup.cc
  void CheckSpace();
  void CheckDisk();
  bool FoundNoRoom() const;  // a write just did not, or no write is tried
  // A stored record as it is to this process. Nothing else decodes one.
  Result<Record> Decoded(std::string_view value) const;
  Result<std::optional<Record>> Load(const Key& key);
  Result<Moment> MomentFor(Needs needs);
};

}  // namespace onced

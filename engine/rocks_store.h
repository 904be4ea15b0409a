// SPDX-License-Identifier: MIT
// RocksStore: the Store of one machine, on RocksDB. It owns the data folder, the clock, the
// stripes, the fences, the commit gate and the threads that look after them, and is where every
// rocksdb::Status becomes a Status.
//
// What it is strict about: it refuses to open when synced data is missing; it refuses new claims
// before the disk is full; and after an I/O error on the log it lets no further answer out and asks
// the process to end, because a failed fsync cannot be tried again.
//
// Threads: every call from any thread, but Open and the destructor. Three of its own: the gate's
// syncer, the caretaker (every 100 ms: clock, high-water mark, free space), the reaper.
// Invariants: see Store. No header of RocksDB is needed to use it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/clock.h"
#include "engine/commit_gate.h"
#include "engine/keyspace.h"
#include "engine/store.h"
#include "engine/store_figures.h"

namespace rocksdb {
class Env;
}

namespace onced {

enum class Footprint { kServer, kEdge };

struct RocksStoreOptions {
  std::string path;
  Durability durability = Durability::kSync;
  std::chrono::milliseconds sync_interval{100};
  Footprint footprint = Footprint::kServer;
  bool audit = true;
  int64_t audit_retention_ms = 24 * 3'600'000;
  int64_t unknown_retention_ms = 0;  // 0: an unknown record stays until it is resolved
  WaiterLimits waiters;
  // Open although synced data is missing. What is missing is lost; fences still rise.
  bool accept_data_loss = false;
  // Called once when the log is lost (see CommitGate). Must end the process.
  std::function<void(const Status&)> on_log_failure;

  // Seams for tests. Each must outlive the store.
  Clock* clock = nullptr;       // instead of the guarded system clock
  rocksdb::Env* env = nullptr;  // a file system that fails on purpose
  std::chrono::milliseconds reap_every{60'000};
  int64_t reap_memory_age_ms = 600'000;
  size_t stripes = 0;  // a power of two; 0: as the footprint has it
};

class RocksStore : public Store {
 public:
  // Unavailable: the folder is in use. Corruption: synced data is missing or damaged, or of a newer
  // format (nothing was changed; logs that recovery might drop are kept in quarantine/).
  static Result<std::unique_ptr<RocksStore>> Open(RocksStoreOptions options);
  // Syncs and flushes what it can, so that the next start is short.
  ~RocksStore() override;

  Result<Found> Read(const Key& key) override;
  Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                         std::optional<Found> guess, const Waiter* waiter) override;
  Result<std::vector<Applied>> UpdateAll(std::span<const UpdateStep> steps) override;
  Result<Applied> UpdateWithEffects(const Key& key, Needs needs, std::span<const Key> effects,
                                    const EffectDecider& decide) override;
  Result<Page<ListedRecord>> List(const ListQuery& query) override;
  Result<LiveCount> CountLive(std::string_view tenant, const std::string& after) override;
  Result<Page<Run>> Runs(const Key& key) override;
  Result<Page<std::string>> ReadEffect(const Key& key) override;
  Result<Page<ListedEffect>> ListEffects(const ListQuery& query) override;
  std::unique_ptr<Waiter> NewWaiter(const Key& key, bool claims,
                                    std::function<void()> wake) override;
  bool IsDurable(uint64_t sequence) override;
  void WhenDurable(uint64_t sequence, std::function<void()> pass) override;
  Status WaitDurable(uint64_t sequence) override;

  // The values beside the records. REQUIRES: called once; it is gone before this is.
  std::unique_ptr<Keyspace> NewKeyspace();

  // Makes everything written so far durable, in every mode.
  Status Flush();
  // Makes `folder`, which must be absolute and not be there, a backup of what there is now
  // (backup.h), while everything goes on. What was answered before the call is in it. Writes memory
  // out first; on the same disk tables are linked, not copied. InvalidArgument names the field.
  // On any error nothing is left of it.
  Status Backup(const std::string& folder);
  // For a stop: one that is being made is given up, Unavailable, and none is begun.
  void EndBackups();
  // One round of the reaper, now.
  Status Reap();
  StoreHealth Health() const;
  StoreReadiness Readiness() const;
  StoreFigures Figures() const;
  int64_t NowMs() const;

 private:
  struct Parts;  // RocksDB and all that hangs on it
  class Turn;
  explicit RocksStore(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

// Which RocksDB is at work: "7.8.3".
std::string StorageVersion();

// Makes the wall clock the truth for a stopped store, when the guarded clock is in doubt and an
// operator knows better. Unavailable when the folder is in use.
Status AcceptWallClock(const std::string& path);

}  // namespace onced

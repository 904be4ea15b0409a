// SPDX-License-Identifier: MIT
// PostgresStore: the Store that many processes share, on a database that speaks PostgreSQL's
// protocol. It decides here and has the database compare: Decide() runs on a guess (nothing, or
// what was read), and one conditional write lands only if the row still has the version that was
// read, or nothing was there that lives. A miss reads again and decides again. A fresh claim is one
// round trip.
//
// The database's clock judges (database_time.h): every record is dated by a lower bound of it, and
// a write lands only while the database agrees. So no lease is freed early. It may end earlier than
// asked for: by the bound's age, which is a round trip mostly, and a second at most (for batches
// and Execute, five), but no more than a quarter of the lease. A claim or renewal of which less
// than half is left when its answer is here is not told: it is written again, with its whole lease
// from then on.
//
// Fences are made by the database in the statement that needs them: microseconds of its clock, or
// one more than the row's last, whichever is greater. An erased record leaves its row, with the
// fence, for an hour, as a dead one does; so fences of a key rise also over its deaths, and when
// the clock is set back. The column is the truth: what stands in a record's own bytes is not looked
// at.
//
// A write that was sent and not answered, or whose commit ended in an error that leaves it open, is
// looked for: every write leaves a random version in its row. Found: it is done. Otherwise it is
// decided anew, for as long as `patience`; then the call is kIoError, as after a disk's failure,
// and so it is when another has written over the record since. What was surely not written is
// kUnavailable.
//
// What the database promises is what there is: a call that has returned is as durable as its
// synchronous_commit says, and nothing waits at a gate. Where that or fsync is off Open refuses,
// unless it is allowed. Behind a failover that loses commits, claims are lost.
//
// Local runs (ClaimCommand::local): a store that many share cannot tell whether a run's process is
// gone. Until the lease ends it is in flight, then unknown.
//
// Where it falls short: where nodes have clocks of their own (CockroachDB, YugabyteDB; neither was
// run) a lease may end early by their difference. A database clock that leaps ahead is believed for
// answers; for deletions it is not, for twelve hours, by a process that saw it leap by half an hour
// or more, but one that starts later has not seen it. The settings are looked at by Open alone. A
// batch of which a lease is half over is told as unknown, not prolonged. An Execute that landed
// unseen, and whose record was forgotten before it was looked for, runs again.
//
// Execute: its function may be called again when another process was faster; only one call's
// effects are kept.
//
// Threads: every call from any thread, but Open and the destructor. Each blocks for its round
// trips, with the key's stripes held, as RocksStore holds them while it writes: so duplicates of
// one process ask the database one after another. A connection is opened before they are taken,
// unless it is lost just then. Two threads of its own: the sweeper, and the listener, which waits
// for no stripe.
// Invariants: see Store. Needs the tables of MigratePostgres (postgres_schema.h), and
// connections that are the store's own: no pooler that hands them around between transactions.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/clock.h"
#include "engine/store.h"

namespace onced {

struct PostgresStoreOptions {
  std::string url;         // postgres://...
  size_t connections = 8;  // at most; and one that listens
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds statement_timeout{5'000};
  // How long a call goes on after a write whose fate is not known, or against others that are
  // faster.
  std::chrono::milliseconds patience{5'000};
  // So much later than its decision a write may land, and so much shorter may a lease be; for
  // batches and Execute, which take more round trips, five times as much; of a lease never more
  // than a quarter. Execute's function may take so long.
  std::chrono::milliseconds landing{1'000};
  bool audit = true;
  int64_t audit_retention_ms = 24 * 3'600'000;
  int64_t unknown_retention_ms = 0;  // 0: an unknown record stays until it is resolved
  WaiterLimits waiters;
  bool listens = true;  // false: what other processes end is found by asking now and then
  // Open although the database has synchronous_commit or fsync off, and so may forget claims.
  bool allow_unsynced = false;

  // Seams for tests. The clock, instead of the database's, must outlive the store.
  Clock* clock = nullptr;
  std::chrono::milliseconds sweep_pause{500};  // between two steps
};

class PostgresStore : public Store {
 public:
  // Unavailable: nobody there. InvalidArgument: no such URL, a table is not there, or the database
  // does not write through (allow_unsynced). Corruption: the tables are of a newer version.
  static Result<std::unique_ptr<PostgresStore>> Open(PostgresStoreOptions options);
  ~PostgresStore() override;

  bool ReadIsCheap() const override { return false; }
  bool IsRemote() const override { return true; }
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
  // A call that has returned has committed.
  bool IsDurable(uint64_t /*sequence*/) override { return true; }
  void WhenDurable(uint64_t /*sequence*/, std::function<void()> pass) override { pass(); }
  Status WaitDurable(uint64_t /*sequence*/) override { return Status::Ok(); }

  // Deletes what is long dead in all tables, now, whatever clock_in_doubt() says; the sweeper does
  // so in small steps.
  Status Sweep();
  // The database's clock has leapt ahead by half an hour or more, less than twelve hours ago: the
  // sweeper deletes nothing. Answers go by that clock all the same.
  bool clock_in_doubt() const;
  // How many wait in this process.
  size_t waiters() const;
  // What time it certainly is.
  int64_t NowMs() const;

 private:
  struct Parts;
  class Single;
  class Batch;
  class Execution;
  explicit PostgresStore(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace onced

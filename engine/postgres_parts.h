// SPDX-License-Identifier: MIT
// PostgresStore::Parts: what an open PostgresStore is made of, what a row of onced_records is, and
// how a change of one is written.
//
// Private to the engine's part for PostgreSQL.
// Threads: as PostgresStore; a PostgresRow, a PostgresWrite, PostgresDoubts and PostgresTries
// belong to one call. Invariants: nothing but Parts::RowOf decodes a record, and the fence is the
// column's.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/database_time.h"
#include "engine/postgres_lines.h"
#include "engine/postgres_pool.h"
#include "engine/postgres_store.h"
#include "engine/rounds.h"
#include "engine/seen_keys.h"

namespace onced {

// What a decision takes for the new fence where the database will make it: newer than any.
constexpr uint64_t kFenceToCome = INT64_MAX;

// A row of onced_records.
struct PostgresRow {
  uint64_t version = 0;  // 0: there is none
  uint64_t fence = 0;    // also of an erased record
  bool waited = false;   // somebody waits for its end, maybe in another process
  std::optional<Record> record;
  bool left_out = false;  // the record is there, but was too large to be read with many others
  // The time to judge it by: one that was certain before it was read. Judged by a later one it
  // could be dead that has been renewed meanwhile.
  int64_t as_of_ms = 0;
  int64_t latest_ms = 0;  // how late it may have been when Load had read it

  bool Lives(int64_t now_ms) const {
    return record.has_value() && !IsDead(record->DeadAtMs(), now_ms);
  }
};

// What becomes of one row.
struct PostgresPut {
  const Key& key;
  const PostgresRow& seen;
  std::optional<Record> record;  // none: it is erased
  bool fresh = false;            // takes a new fence: `record`'s, or the one to come
  Wake wake = Wake::kNobody;
  std::span<const Run> ended;
};

// The statements of one call, with the bytes that they point to.
class PostgresWrite {
 public:
  // What it leaves in the rows that it writes; odd, see IsOfWrite.
  uint64_t version() const { return version_; }

  // `lag`: so much later than `now_ms` may it land; what gives a lease, within a quarter of it.
  PostgresWrite(const PostgresStoreOptions& options, std::string notifier, int64_t now_ms,
                std::chrono::milliseconds lag);

  void Add(const PostgresPut& put);
  // With the record of `key`, which was added.
  void AddEffect(const Key& key, std::string_view effect, const std::optional<std::string>& value);

  // The rows, each giving its fence or nothing; and what goes with them, and does nothing where
  // they were missed.
  const std::vector<PostgresCall>& puts() const { return puts_; }
  const std::vector<PostgresCall>& followers() const { return followers_; }

 private:
  int64_t LagOf(const PostgresPut& put) const;
  std::string_view Keep(std::string bytes) { return kept_.emplace_back(std::move(bytes)); }

  const PostgresStoreOptions& options_;
  const std::string notifier_;
  const int64_t now_ms_;
  const std::chrono::milliseconds lag_;
  const uint64_t version_;
  std::deque<std::string> kept_;
  std::vector<PostgresCall> puts_;
  std::vector<PostgresCall> followers_;
};

// Whether a row that has `version` was written with `written`. A write leaves an odd one, and who
// marks the row as waited for makes it even: so whoever has read it without the mark is told that
// it has changed, and the write is still known by the rest.
inline bool IsOfWrite(uint64_t version, uint64_t written) { return (version | 1) == written; }

// Writes whose fate is not known, by the versions that they would have left.
class PostgresDoubts {
 public:
  // On what was `seen`.
  void Add(uint64_t version, const PostgresRow& seen, Applied applied) {
    // A claim that is gone again was never told, and leaves nothing to tell.
    const bool ends = seen.Lives(applied.now_ms) && applied.decision.outcome != Outcome::kClaimed;
    all_.push_back({version, ends ? seen.version : 0, std::move(applied)});
  }
  // The one that has landed, if the row says so.
  Applied* Landed(const PostgresRow& row) {
    for (Doubt& doubt : all_) {
      if (IsOfWrite(row.version, doubt.version)) return &doubt.applied;
    }
    return nullptr;
  }
  // Whether the row is neither what one of them has left nor what it was to change: then that one
  // may have landed all the same, and another came after it.
  bool Hidden(const PostgresRow& row) const {
    return std::any_of(all_.begin(), all_.end(), [&](const Doubt& doubt) {
      return doubt.on != 0 && !IsOfWrite(row.version, doubt.on | 1);
    });
  }

 private:
  struct Doubt {
    uint64_t version;
    uint64_t on;  // the version of the record that it was to change; 0: of none
    Applied applied;
  };
  std::vector<Doubt> all_;
};

// How long one call goes on, and whether any of its writes may have landed unseen.
class PostgresTries {
 public:
  explicit PostgresTries(std::chrono::milliseconds patience)
      : until_(std::chrono::steady_clock::now() + patience) {}

  void Doubt() { doubtful_ = true; }
  bool doubtful() const { return doubtful_; }
  bool Over() const { return std::chrono::steady_clock::now() >= until_; }
  // Whether a failed read is a reason to stop.
  bool End() const { return !doubtful_ || Over(); }
  Status Told(const Status& why) const {
    if (!doubtful_) return why;
    return Status::IoError("write: whether it was done is not known: " + why.message());
  }
  // A little, and longer every time.
  void Pause();

 private:
  const std::chrono::steady_clock::time_point until_;
  bool doubtful_ = false;
  int pauses_ = 0;
};

// In the order in which they are made; destroyed in the reverse one.
struct PostgresStore::Parts {
  explicit Parts(PostgresStoreOptions o);

  const PostgresStoreOptions options;
  const std::string name;  // of this store among those on the database
  PostgresPool pool;
  DatabaseTime time;
  DatabaseLeaps leaps;
  Stripes stripes;
  SeenKeys seen_keys;
  std::unique_ptr<PostgresLines> lines;
  std::unique_ptr<Rounds> sweeper;

  Status Start();
  int64_t NowMs();
  PostgresValue Clock() const;  // what statements take for it
  Moment MomentFor(Needs needs);
  // How late it may be by the clock that counts, now that an answer with this stamp is here.
  int64_t LatestMs(int64_t stamp_ms, DatabaseTime::Here asked_at) const;

  // For statements that change nothing, and may be run again.
  Result<std::vector<PostgresRows>> Ask(std::span<const PostgresCall> calls);
  void Learn(int64_t stamp_ms, DatabaseTime::Here asked_at);
  Result<PostgresRow> Load(const Key& key);
  // Row `i` of what kReadRecord and its like gave.
  static Result<PostgresRow> RowOf(const PostgresRows& rows, size_t i);
  // Deletes what is long dead of the next rows of a table, after `from`, and moves that on. True
  // when those were its last. `trusting`: also while the clock is in doubt.
  Result<bool> SweepStep(size_t table, bool trusting, std::string* from);
};

// What became of a write.
enum class PostgresCame { kHit, kMissed, kDoubtful, kFailed };
// `may_have_landed`: what was sent would have changed something by itself, as a COMMIT does.
PostgresCame CameOf(const PostgresError& error, bool may_have_landed);

// A fence newer than `last`, and made as the database makes them.
inline uint64_t FenceAfter(uint64_t last, int64_t micros) {
  return std::max(last + 1, static_cast<uint64_t>(micros));
}

// Whether what was written may be told when it may be so late: at least half of the lease that it
// gives is left. True of what gives none.
bool LeaseHolds(const Applied& applied, int64_t latest_ms);

// What an error means for a call that has written nothing.
Status StatusOf(const char* verb, const PostgresError& error);
// Of a call that others overtook until its patience was over; of one that another may have written
// over unseen; of one whose lease was over.
Status TooSlow();
Status Hidden();
Status LeaseOver();
// Sets the fence that the database has made.
void SetFence(uint64_t fence, Decision* decision);

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/postgres_store.h"

#include <utility>
#include <vector>

#include "engine/postgres_parts.h"
#include "engine/postgres_statements.h"

namespace onced {
namespace {

using Kind = PostgresError::Kind;

// The row as `guess` has it.
PostgresRow RowOf(Found guess) {
  PostgresRow row{
      .version = guess.version, .record = std::move(guess.record), .as_of_ms = guess.now_ms};
  if (row.record.has_value()) row.fence = row.record->fence;
  return row;
}

using Came = PostgresCame;

}  // namespace

PostgresStore::PostgresStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

PostgresStore::~PostgresStore() = default;

Result<std::unique_ptr<PostgresStore>> PostgresStore::Open(PostgresStoreOptions options) {
  auto parts = std::make_unique<Parts>(std::move(options));
  ONCED_RETURN_IF_ERROR(parts->Start());
  return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(parts)));
}

Result<Found> PostgresStore::Read(const Key& key) {
  Result<PostgresRow> row = parts_->Load(key);
  if (!row.ok()) return row.status();
  Found found{.record = std::move(row->record), .now_ms = row->as_of_ms};
  // Whether somebody waits for a run that is there is not told, and a writer must know.
  if (!row->waited) found.version = row->version;
  return found;
}

// One call of Update: it decides, writes, and does both again until one of them holds.
class PostgresStore::Single {
 public:
  Single(Parts& parts, const KeyLock& lock, const Key& key, Needs needs, const Waiter* waiter)
      : parts_(parts),
        lock_(lock),
        key_(key),
        needs_(needs),
        waiter_(waiter),
        tries_(parts.options.patience) {}

  Result<Applied> Run(const Decider& decide, std::optional<PostgresRow> row) {
    for (bool again = false;; again = true) {
      Applied* landed = nullptr;
      if (!row.has_value()) {
        Result<PostgresRow> loaded = parts_.Load(key_);
        if (!loaded.ok()) {
          if (tries_.End()) return tries_.Told(loaded.status());
          tries_.Pause();
          continue;
        }
        landed = doubts_.Landed(*loaded);
        if (landed != nullptr) {
          SetFence(loaded->fence, &landed->decision);
          if (LeaseHolds(*landed, loaded->latest_ms)) return std::move(*landed);
        }
        if (landed == nullptr && doubts_.Hidden(*loaded)) return tries_.Told(Hidden());
        // Here, so that what is in doubt is looked for once at least.
        if (again && tries_.Over()) return tries_.Told(failure_);
        row = std::move(*loaded);
      }
      Applied applied = landed != nullptr && row->Lives(row->as_of_ms) ? Prolonged(*landed, *row)
                                                                       : Decided(decide, *row);
      switch (Write(*row, &applied)) {
        case Came::kHit:
          return applied;
        case Came::kFailed:
          return tries_.Told(failure_);
        case Came::kMissed:
        case Came::kDoubtful:
          break;
      }
      row.reset();
    }
  }

 private:
  Applied Decided(const Decider& decide, const PostgresRow& row) {
    Moment moment = parts_.MomentFor(needs_);
    moment.now_ms = row.as_of_ms;
    moment.first_in_line = parts_.stripes.FirstInLine(lock_, key_, waiter_);
    return {.decision = decide(row.record, moment), .now_ms = moment.now_ms};
  }

  // What has landed and is this call's own, but of whose lease too little is left: the same with
  // its whole lease, from now on.
  static Applied Prolonged(const Applied& landed, const PostgresRow& row) {
    Applied prolonged = landed;
    prolonged.decision.record->lease_until_ms += row.as_of_ms - landed.now_ms;
    prolonged.now_ms = row.as_of_ms;
    return prolonged;
  }

  Came Write(const PostgresRow& row, Applied* applied) {
    if (applied->decision.write == onced::Write::kNothing) return MarkWaited(row, *applied);
    const Decision& decision = applied->decision;
    PostgresWrite write(parts_.options, parts_.lines->notifier(), applied->now_ms,
                        parts_.options.landing);
    std::optional<Record> record;
    if (decision.write == onced::Write::kPut) record = decision.record;
    const bool fresh = record.has_value() && record->fence == kFenceToCome;
    write.Add({.key = key_,
               .seen = row,
               .record = std::move(record),
               .fresh = fresh,
               .wake = decision.wake,
               .ended = decision.ended});
    std::vector<PostgresCall> calls = write.puts();
    size_t put = 0;
    if (!write.followers().empty()) {
      put = 1;
      calls.insert(calls.begin(), {&statements::kBegin, {}});
      calls.insert(calls.end(), write.followers().begin(), write.followers().end());
      calls.push_back({&statements::kCommit, {}});
    }
    const PostgresAnswer answer = parts_.pool.Run(calls);
    if (!answer.ok()) return Failed(*answer.error, write.version(), row, *applied);
    if (answer.rows[put].empty()) {
      failure_ = TooSlow();
      return Came::kMissed;
    }
    return Landed(answer.rows[put], answer.asked_at, write.version(), row, applied);
  }

  // kDoubtful: it came so late that it must not be told; so it is looked for, as if it were lost.
  Came Landed(const PostgresRows& put, DatabaseTime::Here asked_at, uint64_t version,
              const PostgresRow& row, Applied* applied) {
    const int64_t stamp_ms = put.Integer(0, statements::kPutNow);
    parts_.Learn(stamp_ms, asked_at);
    SetFence(static_cast<uint64_t>(put.Integer(0, statements::kPutFence)), &applied->decision);
    parts_.seen_keys.Note(key_, applied->decision.write == onced::Write::kPut);
    if (LeaseHolds(*applied, parts_.LatestMs(stamp_ms, asked_at))) return Came::kHit;
    failure_ = LeaseOver();
    tries_.Doubt();
    doubts_.Add(version, row, std::move(*applied));
    return Came::kDoubtful;
  }

  // So that whoever ends the run tells; in the step that tells the caller to wait.
  Came MarkWaited(const PostgresRow& row, const Applied& applied) {
    if (waiter_ == nullptr || applied.decision.outcome != Outcome::kInFlight || row.waited) {
      return Came::kHit;
    }
    const PostgresCall call{&statements::kMarkWaited,
                            {std::string_view(key_.encoded()), static_cast<int64_t>(row.version)}};
    const PostgresAnswer answer = parts_.pool.Run({&call, 1});
    if (!answer.ok()) {
      // Whether it landed the next read shows; nothing else hangs on it.
      const bool again = answer.error->kind == Kind::kRetry || answer.error->kind == Kind::kUnknown;
      if (again) return Came::kMissed;
      failure_ = StatusOf("wait", *answer.error);
      return Came::kFailed;
    }
    return answer.rows[0].empty() ? Came::kMissed : Came::kHit;
  }

  Came Failed(const PostgresError& error, uint64_t version, const PostgresRow& row,
              Applied& applied) {
    failure_ = StatusOf("write", error);
    Came came = CameOf(error, /*may_have_landed=*/true);
    if (came == Came::kDoubtful) {
      tries_.Doubt();
      doubts_.Add(version, row, std::move(applied));
    }
    // Who is in doubt goes on as long as may be.
    if (came == Came::kFailed && tries_.doubtful() && !tries_.Over()) came = Came::kMissed;
    if (came == Came::kMissed) tries_.Pause();
    return came;
  }

  Parts& parts_;
  const KeyLock& lock_;
  const Key& key_;
  const Needs needs_;
  const Waiter* const waiter_;
  PostgresTries tries_;
  PostgresDoubts doubts_;
  Status failure_ = TooSlow();
};

Result<Applied> PostgresStore::Update(const Key& key, Needs needs, const Decider& decide,
                                      std::optional<Found> guess, const Waiter* waiter) {
  const Status ready = parts_->pool.Ready();
  KeyLock lock(parts_->stripes, key);
  if (!ready.ok()) {
    if (waiter != nullptr) parts_->stripes.Left(lock, *waiter);
    return ready;
  }
  std::optional<PostgresRow> row;
  if (guess.has_value() && guess->version != Stripes::kPending) {
    row = RowOf(*std::move(guess));
  } else if (!guess.has_value() && needs.fresh_fence && !parts_->seen_keys.Has(key)) {
    row = PostgresRow{.as_of_ms = parts_->NowMs()};  // that there is none: the write finds out
  }
  Single single(*parts_, lock, key, needs, waiter);
  Result<Applied> applied = single.Run(decide, std::move(row));
  if (!applied.ok()) {
    if (waiter != nullptr) parts_->stripes.Left(lock, *waiter);
    return applied;
  }
  parts_->stripes.Settle(lock, key, applied->decision);
  if (waiter != nullptr) {
    applied->waiting = parts_->stripes.Seated(lock, *waiter, applied->decision);
    if (applied->waiting) parts_->lines->Watch(key);
  }
  return applied;
}

std::unique_ptr<Waiter> PostgresStore::NewWaiter(const Key& key, bool claims,
                                                 std::function<void()> wake) {
  return std::make_unique<Waiter>(&parts_->stripes, key, claims, std::move(wake));
}

size_t PostgresStore::waiters() const { return parts_->stripes.waiting(); }

bool PostgresStore::clock_in_doubt() const {
  return parts_->leaps.InDoubt(std::chrono::steady_clock::now());
}

int64_t PostgresStore::NowMs() const { return parts_->NowMs(); }

}  // namespace onced

// SPDX-License-Identifier: MIT
// PostgresStore::UpdateAll: one transaction for all steps, whose rows are taken in the order of
// their keys, so that no two wait for each other. What was read is compared by version, as in
// Update.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "engine/postgres_parts.h"
#include "engine/postgres_statements.h"
#include "engine/shown_results.h"

namespace onced {
namespace {

// Records that are larger are read by themselves when their turn comes, not all together.
constexpr int64_t kReadTogetherMax = 16 * 1'024;

// Whether `from` gave a fence for each put, and the one that was asked for. `at`: the first.
bool AllHit(const std::vector<PostgresRows>& rows, size_t at, const std::vector<uint64_t>& fences) {
  for (size_t i = 0; i < fences.size(); ++i) {
    if (rows[at + i].empty()) return false;
    const int64_t fence = rows[at + i].Integer(0, statements::kPutFence);
    if (static_cast<uint64_t>(fence) != fences[i]) return false;
  }
  return true;
}

}  // namespace

// One try of UpdateAll: what was read, and what became of it step by step.
class PostgresStore::Batch {
 public:
  struct Slot {
    const Key* key = nullptr;
    PostgresRow row;                // as read
    std::optional<Record> current;  // as the steps so far have left it
    uint64_t fence = 0;             // the newest given
    bool changed = false, fresh = false;
    Wake wake = Wake::kNobody;
    std::vector<Run> ended;
  };

  Batch(Parts& parts, std::span<const UpdateStep> steps) : parts_(parts), steps_(steps) {}

  Status Read() {
    for (const UpdateStep& step : steps_) slots_[step.key->encoded()].key = step.key;
    std::vector<std::string> keys;
    for (const auto& [encoded, slot] : slots_) keys.push_back(encoded);
    const std::string array = PostgresByteaArray(keys);
    const PostgresCall call{&statements::kReadRecords,
                            {std::string_view(array), parts_.Clock(), kReadTogetherMax}};
    const DatabaseTime::Here asked_at = std::chrono::steady_clock::now();
    const int64_t as_of_ms = parts_.NowMs();
    const Result<std::vector<PostgresRows>> answer = parts_.Ask({&call, 1});
    if (!answer.ok()) return answer.status();
    const PostgresRows& rows = (*answer)[0];
    parts_.Learn(rows.Integer(0, statements::kNow), asked_at);
    latest_ms_ = parts_.LatestMs(rows.Integer(0, statements::kNow), asked_at);
    micros_ = rows.Integer(0, statements::kMicros);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows.IsNull(i, statements::kKey)) continue;
      Result<PostgresRow> row = Parts::RowOf(rows, i);
      if (!row.ok()) return row.status();
      Slot& slot = slots_.at(std::string(rows.Bytes(i, statements::kKey)));
      slot.fence = row->fence;
      slot.row = std::move(*row);
      slot.current = slot.row.record;
    }
    now_ms_ = std::min(as_of_ms, parts_.NowMs());  // see PostgresRow::as_of_ms
    return Status::Ok();
  }

  // REQUIRES: Read.
  Result<std::vector<Applied>> Decide() {
    std::vector<Applied> all;
    all.reserve(steps_.size());
    ShownResults results;
    for (const UpdateStep& step : steps_) {
      Slot& slot = slots_.at(step.key->encoded());
      ONCED_RETURN_IF_ERROR(Complete(&slot));
      Moment moment = parts_.MomentFor(step.needs);
      moment.now_ms = now_ms_;
      if (step.needs.fresh_fence) moment.fresh_fence = FenceAfter(slot.fence, micros_++);
      Applied applied{.decision = step.decide(slot.current, moment), .now_ms = now_ms_};
      Note(applied.decision, moment, &slot);
      if (slot.row.left_out && !slot.changed) slot.current.reset();
      results.LeaveOutOf(applied);
      all.push_back(std::move(applied));
    }
    return all;
  }

  bool Changes() const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [](const auto& entry) { return entry.second.changed; });
  }
  // Whether the transaction that left `version` was this one's predecessor, and has landed.
  bool Has(uint64_t version) const {
    return std::any_of(slots_.begin(), slots_.end(), [&](const auto& entry) {
      return IsOfWrite(entry.second.row.version, version);
    });
  }

  // Whether what `lost` was to do to a record may have been done, and another came after it: see
  // PostgresDoubts.
  bool Hides(const Batch& lost) const {
    return std::any_of(lost.slots_.begin(), lost.slots_.end(), [&](const auto& entry) {
      const Slot& slot = entry.second;
      return slot.changed && !slot.fresh && slot.row.Lives(lost.now_ms_) &&
             !IsOfWrite(slots_.at(entry.first).row.version, slot.row.version | 1);
    });
  }

  PostgresWrite Write(std::vector<uint64_t>* fences) const {
    PostgresWrite write(parts_.options, parts_.lines->notifier(), now_ms_,
                        5 * parts_.options.landing);
    for (const auto& [encoded, slot] : slots_) {
      if (!slot.changed) continue;
      PostgresRow seen = slot.row;
      seen.fence = slot.fence;
      write.Add({.key = *slot.key,
                 .seen = seen,
                 .record = slot.current,
                 .fresh = slot.fresh,
                 .wake = slot.wake,
                 .ended = slot.ended});
      fences->push_back(slot.fence);
    }
    return write;
  }

  // All of it in one transaction, or nothing.
  PostgresCame Commit(const PostgresWrite& write, const std::vector<uint64_t>& fences,
                      Status* failure) {
    Result<PostgresPool::Lease> lease = parts_.pool.Take();
    if (!lease.ok()) {
      *failure = lease.status();
      return PostgresCame::kFailed;
    }
    std::vector<PostgresCall> calls = write.puts();
    calls.insert(calls.begin(), {&statements::kBegin, {}});
    const PostgresAnswer put = (*lease)->Run(calls);
    if (!put.ok()) {
      *failure = StatusOf("write", *put.error);
      return CameOf(*put.error, /*may_have_landed=*/false);
    }
    if (!AllHit(put.rows, 1, fences)) {
      *failure = TooSlow();
      return PostgresCame::kMissed;
    }
    calls = write.followers();
    calls.push_back({&statements::kCommit, {}});
    const PostgresAnswer committed = (*lease)->Run(calls);
    if (!committed.ok()) {
      *failure = StatusOf("write", *committed.error);
      return CameOf(*committed.error, /*may_have_landed=*/true);
    }
    latest_ms_ = parts_.LatestMs(put.rows[1].Integer(0, statements::kPutNow), put.asked_at);
    return PostgresCame::kHit;
  }
  // How late it may have been when Read had read, or Commit had committed.
  int64_t latest_ms() const { return latest_ms_; }

 private:
  // Reads the record that was too large to be read with the others.
  Status Complete(Slot* slot) {
    if (!slot->row.left_out || slot->changed || slot->current.has_value()) return Status::Ok();
    Result<PostgresRow> row = parts_.Load(*slot->key);
    if (!row.ok()) return row.status();
    slot->fence = row->fence;
    slot->current = std::move(row->record);
    row->record.reset();
    row->left_out = slot->current.has_value();
    slot->row = std::move(*row);
    return Status::Ok();
  }

  static void Note(const Decision& decision, const Moment& moment, Slot* slot) {
    if (decision.write == onced::Write::kNothing) return;
    if (!slot->changed && slot->row.left_out) {
      // What it was is not needed any more, but whether it lived is.
      slot->row.record = slot->current;
      slot->row.record->result.reset();
    }
    slot->changed = true;
    if (decision.wake != Wake::kNobody) slot->wake = std::max(slot->wake, decision.wake);
    slot->ended.insert(slot->ended.end(), decision.ended.begin(), decision.ended.end());
    if (decision.write == onced::Write::kErase) {
      slot->current.reset();
      return;
    }
    slot->current = decision.record;
    if (slot->current->fence == moment.fresh_fence) {
      slot->fence = moment.fresh_fence;
      slot->fresh = true;
    }
  }

  Parts& parts_;
  const std::span<const UpdateStep> steps_;
  std::map<std::string, Slot> slots_;
  int64_t micros_ = 0;
  int64_t now_ms_ = 0;
  int64_t latest_ms_ = 0;
};

Result<std::vector<Applied>> PostgresStore::UpdateAll(std::span<const UpdateStep> steps) {
  std::vector<const Key*> keys;
  keys.reserve(steps.size());
  for (const UpdateStep& step : steps) keys.push_back(step.key);
  ONCED_RETURN_IF_ERROR(parts_->pool.Ready());
  KeyLock lock(parts_->stripes, keys);
  PostgresTries tries(parts_->options.patience);
  struct Doubt {
    Batch batch;
    std::vector<Applied> all;
  };
  std::map<uint64_t, Doubt> doubts;  // by the version that each left, if it landed
  const auto settled = [&](std::vector<Applied> all,
                           int64_t latest_ms) -> Result<std::vector<Applied>> {
    for (const Applied& applied : all) {
      if (!LeaseHolds(applied, latest_ms)) return LeaseOver();
    }
    for (size_t i = 0; i < steps.size(); ++i) {
      parts_->stripes.Settle(lock, *steps[i].key, all[i].decision);
    }
    return all;
  };
  Status failure = TooSlow();
  for (bool again = false;; again = true) {
    Batch batch(*parts_, steps);
    const Status read = batch.Read();
    if (!read.ok()) {
      if (tries.End()) return tries.Told(read);
      tries.Pause();
      continue;
    }
    for (auto& [version, doubt] : doubts) {
      if (batch.Has(version)) return settled(std::move(doubt.all), batch.latest_ms());
      if (batch.Hides(doubt.batch)) return tries.Told(Hidden());
    }
    // Here, so that what is in doubt is looked for once at least.
    if (again && tries.Over()) return tries.Told(failure);
    Result<std::vector<Applied>> all = batch.Decide();
    if (!all.ok()) return tries.Told(all.status());
    if (!batch.Changes()) return settled(std::move(*all), batch.latest_ms());
    std::vector<uint64_t> fences;
    const PostgresWrite write = batch.Write(&fences);
    switch (batch.Commit(write, fences, &failure)) {
      case PostgresCame::kHit:
        return settled(std::move(*all), batch.latest_ms());
      case PostgresCame::kDoubtful:
        tries.Doubt();
        doubts.emplace(write.version(), Doubt{std::move(batch), std::move(*all)});
        break;
      case PostgresCame::kFailed:
        if (!tries.doubtful()) return failure;
        break;
      case PostgresCame::kMissed:
        break;
    }
    tries.Pause();
  }
}

}  // namespace onced

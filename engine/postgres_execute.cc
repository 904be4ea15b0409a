// SPDX-License-Identifier: MIT
// PostgresStore::UpdateWithEffects: one transaction that takes the record's row and then, in the
// order of their keys, those of the effects, absent ones too; so of two that share an effect one
// waits for the other, and nobody waits in a circle.
#include <algorithm>
#include <utility>
#include <vector>

#include "engine/effect_batch.h"
#include "engine/postgres_parts.h"
#include "engine/postgres_statements.h"

namespace onced {
// One call: tries until its transaction holds.
class PostgresStore::Execution {
 public:
  Execution(Parts& parts, const Key& key, Needs needs, std::span<const Key> effects)
      : parts_(parts), key_(key), needs_(needs), effects_(effects), tries_(parts.options.patience) {
    std::vector<std::string> encoded;
    for (const Key& effect : effects) encoded.push_back(effect.encoded());
    // Each once: no row may be made twice by one statement.
    std::sort(encoded.begin(), encoded.end());
    encoded.erase(std::unique(encoded.begin(), encoded.end()), encoded.end());
    wanted_ = encoded.size();
    array_ = PostgresByteaArray(encoded);
  }

  Result<Applied> Run(const EffectDecider& decide) {
    // What is in doubt is looked for once at least.
    PostgresCame came = PostgresCame::kDoubtful;
    for (bool last = false; came == PostgresCame::kDoubtful || !last; last = tries_.Over()) {
      std::optional<Applied> applied;
      came = Try(decide, last, &applied);
      switch (came) {
        case PostgresCame::kHit:
          return *std::move(applied);
        case PostgresCame::kFailed:
          if (!tries_.doubtful()) return failure_;
          break;
        case PostgresCame::kDoubtful:
          tries_.Doubt();
          break;
        case PostgresCame::kMissed:
          break;
      }
      tries_.Pause();
    }
    return tries_.Told(failure_);
  }

 private:
  PostgresCame Failed(const Status& why) {
    failure_ = why;
    return PostgresCame::kFailed;
  }

  // `last`: it only looks for what is in doubt.
  PostgresCame Try(const EffectDecider& decide, bool last, std::optional<Applied>* applied) {
    Result<PostgresPool::Lease> lease = parts_.pool.Take();
    if (!lease.ok()) return Failed(lease.status());
    PostgresConnection& connection = **lease;
    const PostgresCame locked = Lock(connection);
    if (locked != PostgresCame::kHit) return locked;
    if (Applied* const landed = doubts_.Landed(row_)) {
      *applied = std::move(*landed);
      return PostgresCame::kHit;
    }
    if (last) return PostgresCame::kFailed;
    Moment moment = parts_.MomentFor(needs_);
    if (needs_.fresh_fence) moment.fresh_fence = FenceAfter(row_.fence, micros_);
    EffectBatch batch(effects_, [this](const Key& effect) -> Result<std::optional<std::string>> {
      const auto found = values_.find(effect.encoded());
      return found != values_.end() ? found->second : std::nullopt;
    });
    const auto begun = std::chrono::steady_clock::now();
    Result<Decision> decision = decide(row_.record, moment, batch);
    if (!decision.ok()) return Failed(decision.status());
    applied->emplace(Applied{.decision = std::move(*decision), .now_ms = moment.now_ms});
    if ((*applied)->decision.write == onced::Write::kNothing) {
      ONCED_CHECK(batch.values().empty());  // effects go with a record
      return PostgresCame::kHit;
    }
    // It would not land any more, nor if it were called again.
    if (std::chrono::steady_clock::now() - begun > Landing()) {
      return Failed(Status::Unavailable("execute: its function took longer than the " +
                                        std::to_string(Landing().count()) +
                                        " ms that it may, and nothing was written"));
    }
    return Write(connection, moment, batch, **applied);
  }

  std::chrono::milliseconds Landing() const { return 5 * parts_.options.landing; }

  // The rows, so that nobody else changes them.
  PostgresCame Lock(PostgresConnection& connection) {
    const std::string_view key = key_.encoded();
    std::vector<PostgresCall> calls = {{&statements::kBegin, {}},
                                       {&statements::kReadClock, {parts_.Clock()}},
                                       {&statements::kLockRecord, {key, parts_.Clock()}}};
    if (!effects_.empty()) {
      calls.push_back({&statements::kMakeEffects, {std::string_view(array_)}});
      calls.push_back({&statements::kLockEffects, {std::string_view(array_)}});
    }
    const PostgresAnswer answer = connection.Run(calls);
    if (!answer.ok()) {
      failure_ = StatusOf("read", *answer.error);
      return CameOf(*answer.error, /*may_have_landed=*/false);
    }
    const PostgresRows& clocks = answer.rows[1];
    parts_.Learn(clocks.Integer(0, statements::kNow), answer.asked_at);
    micros_ = clocks.Integer(0, statements::kMicros);
    row_ = {};
    if (!answer.rows[2].empty()) {
      Result<PostgresRow> row = Parts::RowOf(answer.rows[2], 0);
      if (!row.ok()) return Failed(row.status());
      row_ = std::move(*row);
    }
    values_.clear();
    if (effects_.empty()) return PostgresCame::kHit;
    const PostgresRows& rows = answer.rows[4];
    // A row that is not there could not be written to either, and nobody would notice.
    if (rows.size() != wanted_) return PostgresCame::kMissed;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!rows.IsNull(i, 1)) values_.emplace(rows.Bytes(i, 0), std::string(rows.Bytes(i, 1)));
    }
    return PostgresCame::kHit;
  }

  PostgresCame Write(PostgresConnection& connection, const Moment& moment, const EffectBatch& batch,
                     const Applied& applied) {
    const Decision& decision = applied.decision;
    PostgresWrite write(parts_.options, parts_.lines->notifier(), moment.now_ms, Landing());
    std::optional<Record> record;
    if (decision.write == onced::Write::kPut) record = decision.record;
    const bool fresh = record.has_value() && record->fence == moment.fresh_fence;
    write.Add({.key = key_,
               .seen = row_,
               .record = std::move(record),
               .fresh = fresh,
               .wake = decision.wake,
               .ended = decision.ended});
    for (const auto& [effect, value] : batch.values()) write.AddEffect(key_, effect, value);
    // Where the row is missed nothing follows, and an empty transaction commits.
    std::vector<PostgresCall> calls = write.puts();
    calls.insert(calls.end(), write.followers().begin(), write.followers().end());
    calls.push_back({&statements::kCommit, {}});
    const PostgresAnswer answer = connection.Run(calls);
    if (answer.ok()) {
      return answer.rows[0].empty() ? PostgresCame::kMissed : PostgresCame::kHit;
    }
    failure_ = StatusOf("write", *answer.error);
    const PostgresCame came = CameOf(*answer.error, /*may_have_landed=*/true);
    if (came == PostgresCame::kDoubtful) doubts_.Add(write.version(), row_, applied);
    return came;
  }

  Parts& parts_;
  const Key& key_;
  const Needs needs_;
  const std::span<const Key> effects_;
  std::string array_;  // of their keys
  size_t wanted_ = 0;  // how many
  PostgresTries tries_;
  Status failure_ = TooSlow();
  PostgresDoubts doubts_;
  // Of the try that is under way:
  PostgresRow row_;
  int64_t micros_ = 0;
  EffectBatch::Values values_;
};

Result<Applied> PostgresStore::UpdateWithEffects(const Key& key, Needs needs,
                                                 std::span<const Key> effects,
                                                 const EffectDecider& decide) {
  if (effects.size() > kEffectKeysMax) {
    return Status::InvalidArgument("effects: at most " + std::to_string(kEffectKeysMax) + " keys");
  }
  std::vector<const Key*> keys = {&key};
  for (const Key& effect : effects) keys.push_back(&effect);
  ONCED_RETURN_IF_ERROR(parts_->pool.Ready());
  KeyLock lock(parts_->stripes, keys);
  Execution execution(*parts_, key, needs, effects);
  Result<Applied> applied = execution.Run(decide);
  if (!applied.ok()) return applied;
  parts_->seen_keys.Note(key, true);
  parts_->stripes.Settle(lock, key, applied->decision);
  return applied;
}

}  // namespace onced

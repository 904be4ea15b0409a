// SPDX-License-Identifier: MIT
#include "tests/memory_store.h"

#include <atomic>
#include <map>
#include <utility>

#include "engine/check.h"
#include "engine/effect_batch.h"
#include "engine/limits.h"

namespace onced {
namespace {

// The sanitizer's own detector of deadlocks counts to 64 held mutexes, and a batch holds many.
constexpr size_t kStripes = 16;
constexpr int64_t kDroppedAfterMs = 60'000;  // of being dead

struct EndedRun {
  Run run;
  int64_t dead_at_ms;
};

}  // namespace

// What one call writes, all of it or nothing.
struct MemoryStore::Change {
  struct Row {
    Key key;
    Decision decision;
    int64_t audit_dead_at_ms;
  };
  std::vector<Row> rows;
  EffectBatch::Values effects;
};

// What a disk would keep. As a log it is durable as soon as it is asked to be.
class MemoryStore::Shelf : public Log {
 public:
  static std::shared_ptr<Shelf> Of(const std::string& path) {
    static Mutex mutex;
    static std::map<std::string, std::shared_ptr<Shelf>> all;
    MutexLock lock(mutex);
    std::shared_ptr<Shelf>& shelf = all[path];
    if (shelf == nullptr) shelf = std::make_shared<Shelf>();
    return shelf;
  }

  uint64_t LatestSequence() override { return sequence_; }
  Status Sync() override { return Status::Ok(); }

  uint32_t NextEpoch(int64_t now_ms) {
    MutexLock lock(mutex_);
    return epoch_ = Fences::NextEpoch(epoch_, now_ms);
  }
  std::optional<Record> Get(const Key& key) {
    MutexLock lock(mutex_);
    const auto at = records_.find(key.encoded());
    return at != records_.end() ? std::optional(at->second) : std::nullopt;
  }
  std::optional<std::string> GetEffect(const Key& key) {
    MutexLock lock(mutex_);
    const auto at = effects_.find(key.encoded());
    return at != effects_.end() ? std::optional(at->second) : std::nullopt;
  }
  std::vector<EndedRun> GetRuns(const Key& key) {
    MutexLock lock(mutex_);
    std::vector<EndedRun> found;
    const auto of_key = runs_.find(key.encoded());
    if (of_key == runs_.end()) return found;
    for (const auto& [fence, ended] : of_key->second) found.push_back(ended);
    return found;
  }
  uint64_t Write(const Change& change, bool audit) {
    MutexLock lock(mutex_);
    for (const auto& [key, decision, audit_dead_at_ms] : change.rows) {
      if (decision.write == onced::Write::kPut) {
        records_.insert_or_assign(key.encoded(), *decision.record);
      } else if (decision.write == onced::Write::kErase) {
        records_.erase(key.encoded());
      }
      if (!audit) continue;
      for (const Run& run : decision.ended) {
        runs_[key.encoded()].insert_or_assign(run.fence, EndedRun{run, audit_dead_at_ms});
      }
    }
    for (const auto& [key, value] : change.effects) {
      if (value.has_value()) {
        effects_[key] = *value;
      } else {
        effects_.erase(key);
      }
    }
    return ++sequence_;
  }
  void DropDead(int64_t until_ms) {
    MutexLock lock(mutex_);
    std::erase_if(records_,
                  [&](const auto& row) { return IsDead(row.second.DeadAtMs(), until_ms); });
    for (auto& [key, runs] : runs_) {
      std::erase_if(runs, [&](const auto& row) { return IsDead(row.second.dead_at_ms, until_ms); });
    }
  }
  std::map<std::string, Record> Records() {
    MutexLock lock(mutex_);
    return records_;
  }
  std::map<std::string, std::string> AllEffects() {
    MutexLock lock(mutex_);
    return effects_;
  }

 private:
  std::atomic<uint64_t> sequence_{0};  // written with the mutex held
  Mutex mutex_;
  uint32_t epoch_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Record> records_ GUARDED_BY(mutex_);
  std::map<std::string, std::map<uint64_t, EndedRun>> runs_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> effects_ GUARDED_BY(mutex_);
};

Result<std::unique_ptr<MemoryStore>> MemoryStore::Open(RocksStoreOptions options) {
  ONCED_CHECK(options.clock != nullptr);
  std::shared_ptr<Shelf> shelf = Shelf::Of(options.path);
  return std::unique_ptr<MemoryStore>(new MemoryStore(std::move(options), std::move(shelf)));
}

MemoryStore::MemoryStore(RocksStoreOptions options, std::shared_ptr<Shelf> shelf)
    : options_(std::move(options)),
      shelf_(std::move(shelf)),
      stripes_(kStripes, options_.waiters),
      fences_(shelf_->NextEpoch(clock().NowMs()), [](uint32_t) { return Status::Ok(); }),
      start_({.first_fence = fences_.first(), .opened_ms = clock().NowMs()}),
      gate_(std::make_unique<CommitGate>(
          shelf_.get(), CommitGate::Options{.durability = options_.durability,
                                            .interval = options_.sync_interval,
                                            .on_failure = options_.on_log_failure})),
      reaper_(std::make_unique<Rounds>(options_.reap_every, [this] { (void)Reap(); })) {}

MemoryStore::~MemoryStore() = default;

std::optional<Record> MemoryStore::Load(const Key& key) {
  std::optional<Record> record = shelf_->Get(key);
  if (record.has_value()) record = Judged(*std::move(record), start_);
  return record;
}

Result<Moment> MemoryStore::MomentFor(Needs needs) {
  Moment moment{.now_ms = clock().NowMs(), .unknown_retention_ms = options_.unknown_retention_ms};
  if (needs.fresh_fence) {
    const Result<uint64_t> fence = fences_.Next();
    if (!fence.ok()) return fence.status();
    moment.fresh_fence = *fence;
  }
  return moment;
}

// The sequence number to wait for.
uint64_t MemoryStore::Write(const KeyLock& lock, Change change) {
  std::erase_if(change.rows, [](const Change::Row& row) {
    return row.decision.write == onced::Write::kNothing;
  });
  if (change.rows.empty() && change.effects.empty()) return shelf_->LatestSequence();
  stripes_.SetSequence(lock, Stripes::kPending);
  const uint64_t sequence = shelf_->Write(change, options_.audit);
  stripes_.SetSequence(lock, sequence);
  return sequence;
}

Result<Found> MemoryStore::Read(const Key& key) {
  Found found{.now_ms = clock().NowMs(), .version = stripes_.Sequence(key)};
  found.record = Load(key);
  const uint64_t sequence = stripes_.Sequence(key);
  found.sequence = sequence == Stripes::kPending ? shelf_->LatestSequence() : sequence;
  return found;
}

Result<Applied> MemoryStore::Update(const Key& key, Needs needs, const Decider& decide,
                                    std::optional<Found> guess, const Waiter* waiter) {
  KeyLock lock(stripes_, key);
  const bool holds = guess.has_value() && guess->version != Stripes::kPending &&
                     guess->version == stripes_.Sequence(key);
  std::optional<Record> current = holds ? std::move(guess->record) : Load(key);
  Result<Moment> moment = MomentFor(needs);
  ONCED_RETURN_IF_ERROR(moment.status());
  moment->first_in_line = stripes_.FirstInLine(lock, key, waiter);
  Applied applied{.decision = decide(std::move(current), *moment), .now_ms = moment->now_ms};
  const int64_t audit_dead_at_ms = moment->now_ms + options_.audit_retention_ms;
  applied.sequence = Write(lock, {.rows = {{key, applied.decision, audit_dead_at_ms}}});
  stripes_.Settle(lock, key, applied.decision);
  if (waiter != nullptr) {
    applied.waiting = stripes_.Seated(lock, *waiter, applied.decision);
  }
  return applied;
}

Result<std::vector<Applied>> MemoryStore::UpdateAll(std::span<const UpdateStep> steps) {
  std::vector<const Key*> keys;
  for (const UpdateStep& step : steps) keys.push_back(step.key);
  KeyLock lock(stripes_, keys);
  std::map<std::string, std::optional<Record>> decided;
  std::vector<Applied> all;
  Change change;
  size_t room = kBatchResultBytesMax;
  for (const UpdateStep& step : steps) {
    const auto [current, first] = decided.try_emplace(step.key->encoded());
    if (first) current->second = Load(*step.key);
    const Result<Moment> moment = MomentFor(step.needs);
    ONCED_RETURN_IF_ERROR(moment.status());
    Applied applied{.decision = step.decide(current->second, *moment), .now_ms = moment->now_ms};
    Decision& decision = applied.decision;
    change.rows.push_back({*step.key, decision, moment->now_ms + options_.audit_retention_ms});
    if (decision.write == onced::Write::kPut) current->second = decision.record;
    if (decision.write == onced::Write::kErase) current->second.reset();
    if (decision.record.has_value() && decision.record->result.has_value()) {
      const size_t bytes = decision.record->result->size();
      const bool replays = decision.outcome == Outcome::kReplay;
      if (replays && bytes <= room) {
        room -= bytes;
      } else {
        decision.record->result.reset();
        applied.result_left_out = replays;
      }
    }
    all.push_back(std::move(applied));
  }
  (void)Write(lock, std::move(change));
  for (size_t i = 0; i < steps.size(); ++i) {
    all[i].sequence = shelf_->LatestSequence();
    stripes_.Settle(lock, *steps[i].key, all[i].decision);
  }
  return all;
}

Result<Applied> MemoryStore::UpdateWithEffects(const Key& key, Needs needs,
                                               std::span<const Key> effects,
                                               const EffectDecider& decide) {
  if (effects.size() > kEffectKeysMax) return Status::InvalidArgument("effects: too many keys");
  std::vector<const Key*> keys = {&key};
  for (const Key& effect : effects) keys.push_back(&effect);
  KeyLock lock(stripes_, keys);
  const Result<Moment> moment = MomentFor(needs);
  ONCED_RETURN_IF_ERROR(moment.status());
  EffectBatch batch(effects, [this](const Key& effect) -> Result<std::optional<std::string>> {
    return shelf_->GetEffect(effect);
  });
  Result<Decision> decision = decide(Load(key), *moment, batch);
  ONCED_RETURN_IF_ERROR(decision.status());
  Applied applied{.decision = std::move(*decision), .now_ms = moment->now_ms};
  const int64_t audit_dead_at_ms = moment->now_ms + options_.audit_retention_ms;
  (void)Write(lock,
              {.rows = {{key, applied.decision, audit_dead_at_ms}}, .effects = batch.values()});
  applied.sequence = shelf_->LatestSequence();
  stripes_.Settle(lock, key, applied.decision);
  return applied;
}

namespace {

// The page of what `query` asks for out of `rows`, by encoded keys; `take` makes a row, or none.
template <typename Row, typename Value, typename Take>
Result<Page<Row>> PageOf(const ListQuery& query, const std::map<std::string, Value>& rows,
                         const Take& take) {
  Page<Row> page;
  const std::string from = query.after.value_or("");
  for (const auto& [encoded, value] : rows) {
    const Result<Key> key = Key::Decode(encoded);
    ONCED_RETURN_IF_ERROR(key.status());
    const bool in_scope =
        query.scope_is_prefix ? key->scope().starts_with(query.scope) : key->scope() == query.scope;
    if (key->tenant() != query.tenant || !in_scope || !key->key().starts_with(query.prefix) ||
        (!from.empty() && encoded <= from)) {
      continue;
    }
    if (page.rows.size() == query.limit) {
      page.next = (--rows.lower_bound(encoded))->first;
      break;
    }
    std::optional<Row> row = take(*key, value);
    if (row.has_value()) page.rows.push_back(*std::move(row));
  }
  return page;
}

}  // namespace

Result<Page<ListedRecord>> MemoryStore::List(const ListQuery& query) {
  const int64_t now_ms = clock().NowMs();
  auto page = PageOf<ListedRecord>(
      query, shelf_->Records(),
      [&](const Key& key, const Record& stored) -> std::optional<ListedRecord> {
        ListedRecord row{.key = key, .record = Judged(stored, start_), .result_bytes = {}};
        const bool wanted = !IsDead(row.record.DeadAtMs(), now_ms) &&
                            (!query.state.has_value() || row.record.state == *query.state);
        if (!wanted) return std::nullopt;
        if (row.record.result.has_value()) row.result_bytes = row.record.result->size();
        row.record.result.reset();
        return row;
      });
  if (page.ok()) {
    page->now_ms = now_ms;
    page->sequence = shelf_->LatestSequence();
  }
  return page;
}

Result<Page<ListedEffect>> MemoryStore::ListEffects(const ListQuery& query) {
  return PageOf<ListedEffect>(query, shelf_->AllEffects(),
                              [](const Key& key, const std::string& value) {
                                return std::optional(ListedEffect{.key = key, .value = value});
                              });
}

Result<LiveCount> MemoryStore::CountLive(std::string_view tenant, const std::string&) {
  LiveCount count;
  for (const auto& [encoded, record] : shelf_->Records()) {
    count.live += encoded.starts_with(Key::TenantPrefix(tenant)) &&
                  !IsDead(record.DeadAtMs(), clock().NowMs());
  }
  return count;
}

Result<Page<Run>> MemoryStore::Runs(const Key& key) {
  Page<Run> page{.now_ms = clock().NowMs()};
  for (const EndedRun& ended : shelf_->GetRuns(key)) {
    if (!IsDead(ended.dead_at_ms, page.now_ms)) page.rows.push_back(ended.run);
  }
  page.sequence = shelf_->LatestSequence();
  return page;
}

Result<Page<std::string>> MemoryStore::ReadEffect(const Key& key) {
  Page<std::string> page{.now_ms = clock().NowMs()};
  const std::optional<std::string> value = shelf_->GetEffect(key);
  if (value.has_value()) page.rows.push_back(*value);
  page.sequence = shelf_->LatestSequence();
  return page;
}

std::unique_ptr<Waiter> MemoryStore::NewWaiter(const Key& key, bool claims,
                                               std::function<void()> wake) {
  return std::make_unique<Waiter>(&stripes_, key, claims, std::move(wake));
}

Status MemoryStore::Reap() {
  shelf_->DropDead(clock().NowMs() - kDroppedAfterMs);
  return Status::Ok();
}

StoreHealth MemoryStore::Health() const {
  StoreHealth health;
  health.waiters = stripes_.waiting();
  return health;
}

}  // namespace onced

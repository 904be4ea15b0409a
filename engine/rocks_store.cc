// SPDX-License-Identifier: MIT
#include "engine/rocks_store.h"

#include <rocksdb/version.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "engine/coding.h"
#include "engine/effect_batch.h"
#include "engine/rocks_parts.h"
#include "engine/shown_results.h"

namespace onced {

// What one call writes, gathered under its KeyLock and written at once.
class RocksStore::Turn {
 public:
  Turn(Parts& parts, const KeyLock& lock) : parts_(parts), lock_(lock) {}

  Status Add(const Key& key, Needs needs, const Decision& decision, int64_t now_ms) {
    ONCED_CHECK(lock_.Covers(key));
    if (decision.write == Write::kNothing) return Status::Ok();
    if (needs.space && parts_.space_low.load(std::memory_order_relaxed)) {
      return Status::Full("claim: the disk is nearly full; what is stored is still served");
    }
    rocksdb::ColumnFamilyHandle* records = parts_.db->handle(Family::kRecords);
    if (decision.write == Write::kPut) {
      batch_.Put(records, key.encoded(), decision.record->Encode());
    } else {
      batch_.Delete(records, key.encoded());
    }
    if (!parts_.options.audit) return Status::Ok();
    for (const Run& run : decision.ended) {
      batch_.Put(parts_.db->handle(Family::kAudit), AuditPrefix(key) + BigEndian64(run.fence),
                 run.Encode(now_ms + parts_.options.audit_retention_ms));
    }
    return Status::Ok();
  }

  void Add(const EffectBatch& effects) {
    rocksdb::ColumnFamilyHandle* family = parts_.db->handle(Family::kEffects);
    for (const auto& [key, value] : effects.values()) {
      if (value.has_value()) {
        batch_.Put(family, key, *value);
      } else {
        batch_.Delete(family, key);
      }
    }
  }

  // Writes, if there is anything, and tells the sequence number to wait for.
  Result<uint64_t> Commit(const Key& key) {
    if (batch_.Count() == 0) return parts_.stripes.Sequence(key);
    // RocksDB takes a write that fails while it recovers for a failure of the recovery.
    if (parts_.gate->parked()) return Status::Full("write: the disk is full");
    parts_.stripes.SetSequence(lock_, Stripes::kPending);
    const Status written = parts_.db->Write(&batch_);
    const uint64_t sequence = parts_.db->LatestSequence();
    parts_.stripes.SetSequence(lock_, sequence);
    if (written.ok()) return sequence;
    // A full disk has parked the gate already (OnBackgroundError comes before Write returns).
    if (written.fault() != Fault::kNoSpace && written.fault() != Fault::kUnavailable) {
      parts_.gate->Fail(written);
    }
    return written;
  }

 private:
  Parts& parts_;
  const KeyLock& lock_;
  rocksdb::WriteBatch batch_;
};

RocksStore::RocksStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<RocksStore>> RocksStore::Open(RocksStoreOptions options) {
  auto parts = std::make_unique<Parts>(std::move(options));
  ONCED_RETURN_IF_ERROR(parts->OpenFolderAndClock());
  ONCED_RETURN_IF_ERROR(parts->OpenDatabase());
  ONCED_RETURN_IF_ERROR(parts->TakeEpoch());
  parts->StartThreads();
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(parts)));
}

RocksStore::~RocksStore() {
  parts_->reaper_rounds.reset();
  parts_->caretaker.reset();
  // Whatever fails here has not been promised to anyone; the next start sees what there is.
  if (parts_->gate->Flush().ok() && parts_->db->FlushTables().ok()) (void)parts_->SaveMark();
  parts_->db->SetErrorHandler({});
  parts_->gate.reset();
}

Result<Found> RocksStore::Read(const Key& key) {
  Found found{.now_ms = parts_->clock->NowMs(), .version = parts_->stripes.Sequence(key)};
  Result<std::optional<Record>> record = parts_->Load(key);
  if (!record.ok()) return record.status();
  found.record = std::move(*record);
  // After the read: what it saw was written by now, or is announced as pending.
  const uint64_t sequence = parts_->stripes.Sequence(key);
  found.sequence = sequence == Stripes::kPending ? parts_->db->LatestSequence() : sequence;
  return found;
}

Result<Applied> RocksStore::Update(const Key& key, Needs needs, const Decider& decide,
                                   std::optional<Found> guess, const Waiter* waiter) {
  KeyLock lock(parts_->stripes, key);
  const auto failed = [&](const Status& why) {
    if (waiter != nullptr) parts_->stripes.Left(lock, *waiter);
    return why;
  };
  std::optional<Record> current;
  if (guess.has_value() && guess->version != Stripes::kPending &&
      guess->version == parts_->stripes.Sequence(key)) {
    current = std::move(guess->record);  // nothing in this stripe has been written since
  } else {
    Result<std::optional<Record>> loaded = parts_->Load(key);
    if (!loaded.ok()) return failed(loaded.status());
    current = std::move(*loaded);
  }
  Result<Moment> moment = parts_->MomentFor(needs);
  if (!moment.ok()) return failed(moment.status());
  moment->first_in_line = parts_->stripes.FirstInLine(lock, key, waiter);

  Applied applied{.decision = decide(std::move(current), *moment), .now_ms = moment->now_ms};
  Turn turn(*parts_, lock);
  const Status added = turn.Add(key, needs, applied.decision, moment->now_ms);
  if (!added.ok()) return failed(added);
  const Result<uint64_t> sequence = turn.Commit(key);
  if (!sequence.ok()) return failed(sequence.status());
  applied.sequence = *sequence;

  parts_->stripes.Settle(lock, key, applied.decision);
  if (waiter != nullptr) {
    applied.waiting = parts_->stripes.Seated(lock, *waiter, applied.decision);
  }
  return applied;
}

Result<std::vector<Applied>> RocksStore::UpdateAll(std::span<const UpdateStep> steps) {
  std::vector<const Key*> keys;
  keys.reserve(steps.size());
  for (const UpdateStep& step : steps) keys.push_back(step.key);
  KeyLock lock(parts_->stripes, keys);
  std::unordered_map<std::string_view, std::optional<Record>> decided;  // by the steps so far
  std::vector<Applied> all;
  all.reserve(steps.size());
  Turn turn(*parts_, lock);
  ShownResults results;
  for (const UpdateStep& step : steps) {
    auto [slot, first] = decided.try_emplace(step.key->encoded());
    if (first) {
      Result<std::optional<Record>> loaded = parts_->Load(*step.key);
      if (!loaded.ok()) return loaded.status();
      slot->second = std::move(*loaded);
    }
    const Result<Moment> moment = parts_->MomentFor(step.needs);
    if (!moment.ok()) return moment.status();
    Applied applied{.decision = step.decide(slot->second, *moment), .now_ms = moment->now_ms};
    ONCED_RETURN_IF_ERROR(turn.Add(*step.key, step.needs, applied.decision, moment->now_ms));
    if (applied.decision.write == Write::kPut) slot->second = applied.decision.record;
    if (applied.decision.write == Write::kErase) slot->second.reset();
    // Not kept where it can be read again: results may be large. (What an earlier step has written
    // cannot be read yet.)
    if (first && applied.decision.write == Write::kNothing) decided.erase(slot);
    results.LeaveOutOf(applied);
    all.push_back(std::move(applied));
  }
  const Result<uint64_t> committed = turn.Commit(*steps.front().key);
  if (!committed.ok()) return committed.status();
  const uint64_t latest = parts_->db->LatestSequence();
  for (size_t i = 0; i < steps.size(); ++i) {
    all[i].sequence = latest;
    parts_->stripes.Settle(lock, *steps[i].key, all[i].decision);
  }
  return all;
}

Result<Applied> RocksStore::UpdateWithEffects(const Key& key, Needs needs,
                                              std::span<const Key> effects,
                                              const EffectDecider& decide) {
  if (effects.size() > kEffectKeysMax) {
    return Status::InvalidArgument("effects: at most " + std::to_string(kEffectKeysMax) + " keys");
  }
  std::vector<const Key*> keys = {&key};
  for (const Key& effect : effects) keys.push_back(&effect);
  KeyLock lock(parts_->stripes, keys);
  Result<std::optional<Record>> current = parts_->Load(key);
  if (!current.ok()) return current.status();
  const Result<Moment> moment = parts_->MomentFor(needs);
  if (!moment.ok()) return moment.status();
  EffectBatch batch(effects, [this](const Key& effect) {
    return parts_->db->Get(Family::kEffects, effect.encoded());
  });
  Result<Decision> decision = decide(std::move(*current), *moment, batch);
  if (!decision.ok()) return decision.status();
  Applied applied{.decision = std::move(*decision), .now_ms = moment->now_ms};
  Turn turn(*parts_, lock);
  ONCED_RETURN_IF_ERROR(turn.Add(key, needs, applied.decision, moment->now_ms));
  turn.Add(batch);
  const Result<uint64_t> sequence = turn.Commit(key);
  if (!sequence.ok()) return sequence.status();
  // A function that only looked was shown other keys' stripes too.
  applied.sequence = std::max(*sequence, parts_->db->LatestSequence());
  parts_->stripes.Settle(lock, key, applied.decision);
  return applied;
}

std::unique_ptr<Waiter> RocksStore::NewWaiter(const Key& key, bool claims,
                                              std::function<void()> wake) {
  return std::make_unique<Waiter>(&parts_->stripes, key, claims, std::move(wake));
}

bool RocksStore::IsDurable(uint64_t sequence) { return !parts_->gate->Holds(sequence); }

void RocksStore::WhenDurable(uint64_t sequence, std::function<void()> pass) {
  parts_->gate->WhenDurable(sequence, std::move(pass));
}

Status RocksStore::WaitDurable(uint64_t sequence) { return parts_->gate->WaitDurable(sequence); }

Status RocksStore::Flush() { return parts_->gate->Flush(); }

Status RocksStore::Reap() {
  MutexLock lock(parts_->reaping);
  return parts_->reaper->Run();
}

int64_t RocksStore::NowMs() const { return parts_->clock->NowMs(); }

StoreHealth RocksStore::Health() const {
  using Names = rocksdb::DB::Properties;
  StoreHealth health{
      .latest_sequence = parts_->db->LatestSequence(),
      .durable_sequence = parts_->gate->durable(),
      .answers_held = parts_->gate->held(),
      .waiters = parts_->stripes.waiting(),
      .keys_estimate = parts_->db->Property(Family::kRecords, Names::kEstimateNumKeys),
      .disk_bytes = parts_->disk_bytes,
      .free_bytes = parts_->free_bytes,
      .needed_bytes = parts_->needed_bytes,
      .fence_epoch = parts_->fences->epoch(),
      .space_low = parts_->space_low || parts_->FoundNoRoom(),
      .writes_stopped = parts_->db->Property(Family::kRecords, Names::kIsWriteStopped) != 0,
      .clock_in_doubt = parts_->guarded_clock != nullptr && parts_->guarded_clock->InDoubt()};
  for (int i = 0; i < kFamilies; ++i) {
    health.table_bytes += parts_->db->Property(static_cast<Family>(i), Names::kTotalSstFilesSize);
  }
  return health;
}

StoreReadiness RocksStore::Readiness() const {
  const auto since_read = std::chrono::steady_clock::now() - parts_->read_at.load();
  const bool no_room = parts_->FoundNoRoom();
  return {.in_sync = parts_->gate->InSync(),
          .since_read = std::chrono::duration_cast<std::chrono::milliseconds>(since_read),
          .read_failed = parts_->read_failed,
          .writes_stopped = parts_->writes_stopped,
          .writes_parked = no_room,
          .space_low = parts_->space_low || no_room,
          .clock_in_doubt = parts_->guarded_clock != nullptr && parts_->guarded_clock->InDoubt()};
}

StoreFigures RocksStore::Figures() const {
  using Names = rocksdb::DB::Properties;
  const StoreCounts& counts = parts_->db->counts();
  StoreFigures figures{
      .health = Health(),
      .syncs = counts.syncs.Read(),
      .dropped = counts.dropped.load(std::memory_order_relaxed),
      .stalled = counts.stalled.load(std::memory_order_relaxed),
      .troubles = counts.troubles.load(std::memory_order_relaxed),
      .cache_bytes = parts_->db->Property(Family::kRecords, Names::kBlockCacheUsage)};
  for (int i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    figures.memory_bytes += parts_->db->Property(family, Names::kCurSizeAllMemTables);
    figures.pending_bytes += parts_->db->Property(family, Names::kEstimatePendingCompactionBytes);
  }
  return figures;
}

std::string StorageVersion() { return rocksdb::GetRocksVersionAsString(/*with_patch=*/true); }

Status AcceptWallClock(const std::string& path) {
  if (!std::filesystem::exists(path + "/high-water")) {
    return Status::InvalidArgument("accept clock: " + path + " is no data folder of onced");
  }
  Result<std::unique_ptr<DataFolder>> folder = DataFolder::Open(path);
  if (!folder.ok()) return folder.status();
  Result<std::unique_ptr<HighWater>> high_water = HighWater::Open((*folder)->high_water());
  if (!high_water.ok()) return high_water.status();
  // Making up a mark here would hide that the real one is missing.
  if (!(*high_water)->mark().has_value()) {
    return Status::InvalidArgument("accept clock: " + path + " has no clock to correct");
  }
  GuardedClock wall(NewSystemTimeSource(), std::nullopt);
  if (wall.InDoubt()) {
    return Status::InvalidArgument("accept clock: the wall clock was never set; set it first");
  }
  return (*high_water)->Update([&](HighWaterMark& mark) { mark.anchor = wall.Anchor(); });
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/rocks_parts.h"

#include <utility>

#include "engine/backup.h"
#include "engine/rocks_manifest.h"
#include "engine/rocks_table_check.h"

namespace onced {
namespace {

constexpr size_t kStripesServer = size_t{1} << 16;
constexpr size_t kStripesEdge = size_t{1} << 12;
constexpr std::chrono::milliseconds kCaretakerPause{100};
constexpr std::chrono::seconds kFullFor{5};
// In looks of the caretaker. A folder of a thousand tables takes some ms to walk.
constexpr uint64_t kDiskCountedEvery = 50;
constexpr uint64_t kMarkReadEvery = 10;

size_t StripesOf(const RocksStoreOptions& options) {
  if (options.stripes != 0) return options.stripes;
  return options.footprint == Footprint::kEdge ? kStripesEdge : kStripesServer;
}

}  // namespace

RocksStore::Parts::Parts(RocksStoreOptions o)
    : options(std::move(o)), stripes(StripesOf(options), options.waiters) {}

Status RocksStore::Parts::OpenFolderAndClock() {
  if (IsHalfRestored(options.path)) {
    return Status::InvalidArgument(
        "open " + options.path + ": a restore into it was cut short; remove it and restore again");
  }
  if (IsBackup(options.path)) {
    return Status::InvalidArgument("open " + options.path +
                                   ": this is a backup; `onced restore` makes a data folder of it");
  }
  Result<std::unique_ptr<DataFolder>> opened = DataFolder::Open(options.path);
  if (!opened.ok()) return opened.status();
  folder = std::move(*opened);
  Result<std::unique_ptr<HighWater>> marks = HighWater::Open(folder->high_water());
  if (!marks.ok()) return marks.status();
  high_water = std::move(*marks);
  const std::optional<HighWaterMark> mark = high_water->mark();
  const Result<bool> has_database = folder->HasDatabase();
  if (!has_database.ok()) return has_database.status();
  if (!mark.has_value() && *has_database && !options.accept_data_loss) {
    return Status::Corruption("open " + options.path +
                              ": the high-water file is missing or damaged, so nobody can say "
                              "whether synced data is missing (--accept-data-loss opens anyway)");
  }
  // Before there is a database: one without a mark is then always a mark that was lost, also when
  // the very first start is cut short.
  if (!mark.has_value() && !*has_database) {
    ONCED_RETURN_IF_ERROR(high_water->Update([](HighWaterMark&) {}));
    ONCED_RETURN_IF_ERROR(folder->SyncEntries());
  }
  if (options.clock == nullptr) {
    guarded_clock = std::make_unique<GuardedClock>(
        NewSystemTimeSource(), mark.has_value() ? std::optional(mark->anchor) : std::nullopt);
  }
  clock = options.clock != nullptr ? options.clock : guarded_clock.get();
  return Status::Ok();
}

Status RocksStore::Parts::OpenDatabase() {
  const HighWaterMark mark = high_water->mark().value_or(HighWaterMark{});
  const Result<bool> has_database = folder->HasDatabase();
  if (!has_database.ok()) return has_database.status();
  // The mark of a start that never ended: see above. No other has epoch 0.
  if (*has_database && high_water->mark().has_value() && mark.epoch == 0 &&
      mark.synced_sequence == 0) {
    const Result<std::string> file = folder->FileWithData();
    if (!file.ok()) return file.status();
    if (file->empty()) {
      ONCED_RETURN_IF_ERROR(folder->DropDatabase());
    } else if (!options.accept_data_loss) {
      return Status::Corruption("open " + options.path +
                                ": the high-water file is not this database's: by it nothing was "
                                "ever stored, but there is " +
                                *file + "; nothing was touched (--accept-data-loss opens anyway)");
    }
  }
  // RocksDB would begin a new one, and whoever mounts the old one again would find a mark that is
  // the new one's.
  if (!*has_database && mark.epoch > 0 && !options.accept_data_loss) {
    return Status::Corruption("open " + options.path +
                              ": synced data is missing: there is no database in " +
                              folder->database() + ", and there was one (is its disk mounted?); " +
                              "nothing was touched (--accept-data-loss begins anew)");
  }
  ONCED_RETURN_IF_ERROR(folder->CheckDatabase());
  if (*has_database) ONCED_RETURN_IF_ERROR(folder->QuarantineLogs());
  if (!options.accept_data_loss) {
    ONCED_RETURN_IF_ERROR(CheckManifest(folder->database(), mark.manifest));
    ONCED_RETURN_IF_ERROR(CheckLogs(folder->database(), mark.logs));
  }
  // A mark that was lost is not made anew here: it would look like that of a first start.
  const auto keep = [this](const ManifestExtent& synced) {
    if (!high_water->mark().has_value()) return Status::Ok();
    const uint64_t current = CurrentManifest(folder->database());
    return high_water->Update([&](HighWaterMark& next) {
      next.manifest = next.manifest.With(synced.number, synced.bytes, current);
    });
  };
  const auto forget = [this](uint64_t log) {
    if (!high_water->mark().has_value()) return Status::Ok();
    return high_water->Update([&](HighWaterMark& next) {
      std::erase_if(next.logs, [log](const LogExtent& one) { return one.number == log; });
    });
  };
  ONCED_RETURN_IF_ERROR(CheckTables(folder->database()));
  const auto open = [&] {
    return RocksDatabase::Open(folder->database(), options, clock, keep, forget);
  };
  Result<std::unique_ptr<RocksDatabase>> opened = open();
  if (!opened.ok() && opened.status().fault() == Fault::kCorruption) {
    // RocksDB deletes the tables that a MANIFEST does not name: should the cut be a mistake, they
    // are still there.
    Result<bool> done = HasUnsyncedEnd(folder->database(), mark.manifest);
    if (done.ok() && *done) done = folder->QuarantineTables();
    if (done.ok() && *done) {
      done = CutManifest(folder->database(), mark.manifest, folder->quarantine());
    }
    if (!done.ok()) return done.status();
    if (*done) opened = open();
  }
  if (!opened.ok()) return opened.status();
  db = std::move(*opened);
  return CheckRecovered();
}

Status RocksStore::Parts::CheckRecovered() {
  const std::optional<HighWaterMark> mark = high_water->mark();
  const uint64_t recovered = db->LatestSequence();
  if (mark.has_value() && recovered >= mark->synced_sequence) return folder->DropQuarantine();
  if (options.accept_data_loss) return folder->KeepQuarantine();
  if (!mark.has_value()) return Status::Ok();  // a new folder
  const std::string unreadable = db->Unreadable();
  return Status::Corruption(
      "open " + options.path + ": synced data is missing: recovered up to sequence number " +
      std::to_string(recovered) + ", but " + std::to_string(mark->synced_sequence) + " was synced" +
      (unreadable.empty() ? "" : ": " + unreadable) + ". The logs as found are in " +
      folder->quarantine() + "; --accept-data-loss opens without what is missing");
}

Status RocksStore::Parts::TakeEpoch() {
  const std::optional<HighWaterMark> stored = high_water->mark();
  const int64_t now_ms = clock->NowMs();
  const uint32_t epoch = Fences::NextEpoch(stored.has_value() ? stored->epoch : 0, now_ms);
  const bool had_epoch = stored.has_value() && stored->epoch > 0;
  const uint32_t first_counter = had_epoch ? 1 : Fences::FirstCounter(now_ms);
  // By a mark with an epoch there is a database.
  ONCED_RETURN_IF_ERROR(folder->SyncEntries());
  ONCED_RETURN_IF_ERROR(high_water->Update([&](HighWaterMark& mark) {
    mark.epoch = epoch;
    // With accepted data loss this is where the mark comes down to what there is.
    mark.synced_sequence = db->LatestSequence();
    mark.manifest.in_use = mark.manifest.number;
    mark.logs = db->synced_logs().List();  // what was in others has been recovered into tables
    if (guarded_clock != nullptr) mark.anchor = guarded_clock->Anchor();
  }));
  // And into the other slot: with one of them damaged, the epoch of this start is known all the
  // same.
  ONCED_RETURN_IF_ERROR(high_water->Update([](HighWaterMark&) {}));
  const auto persist = [this](uint32_t next) {
    return high_water->Update([&](HighWaterMark& mark) { mark.epoch = next; });
  };
  fences = std::make_unique<Fences>(epoch, persist, first_counter);
  start = {.first_fence = fences->first(), .opened_ms = now_ms};
  return Status::Ok();
}

void RocksStore::Parts::StartThreads() {
  gate = std::make_unique<CommitGate>(db.get(),
                                      CommitGate::Options{.durability = options.durability,
                                                          .interval = options.sync_interval,
                                                          .on_failure = options.on_log_failure});
  db->SetErrorHandler({.out_of_space =
                           [this] {
                             space_low = true;
                             full_until = std::chrono::steady_clock::now() + kFullFor;
                             gate->Park();
                           },
                       .recovered = [this] { gate->Resume(); },
                       .log_lost = [this](const Status& why) { gate->Fail(why); }});
  reaper = std::make_unique<TableReaper>(
      db->raw(),
      std::vector{db->handle(Family::kRecords), db->handle(Family::kAudit),
                  db->handle(Family::kKeyspace)},
      clock, ReaperLimits{.memory_age_ms = options.reap_memory_age_ms});
  marked_latest = db->LatestSequence();
  CheckSpace();
  read_at = std::chrono::steady_clock::now();  // all of it was read just now
  disk_bytes = folder->UsedBytes();
  caretaker = std::make_unique<Rounds>(kCaretakerPause, [this] { LookAfter(); });
  reaper_rounds = std::make_unique<Rounds>(options.reap_every, [this] {
    MutexLock lock(reaping);
    (void)reaper->Run();  // what it could not do now it does in the next round
  });
}

void RocksStore::Parts::CheckSpace() {
  // What is in memory becomes tables, and those must find room when nothing new is let in any more.
  uint64_t in_memory = 0;
  for (int i = 0; i < kFamilies; ++i) {
    in_memory +=
        db->Property(static_cast<Family>(i), rocksdb::DB::Properties::kCurSizeAllMemTables);
  }
  const DataFolder::Space space = folder->CheckSpace(in_memory);
  free_bytes = space.free_bytes;
  needed_bytes = space.needed_bytes;
  space_low = space.low;
}

void RocksStore::Parts::CheckDisk() {
  const Status read = high_water->ReadBack();
  read_failed = !read.ok();
  if (read.ok()) read_at = std::chrono::steady_clock::now();
}

bool RocksStore::Parts::FoundNoRoom() const {
  return gate->parked() || std::chrono::steady_clock::now() < full_until.load();
}

void RocksStore::Parts::LookAfter() {
  if (guarded_clock != nullptr) guarded_clock->Discipline();
  CheckSpace();
  writes_stopped = db->Property(Family::kRecords, rocksdb::DB::Properties::kIsWriteStopped) != 0;
  if (++looks % kDiskCountedEvery == 0) disk_bytes = folder->UsedBytes();
  if (looks % kMarkReadEvery == 0) CheckDisk();
  const uint64_t latest = db->LatestSequence();
  const uint64_t synced = high_water->mark().value_or(HighWaterMark{}).synced_sequence;
  if (latest == marked_latest && gate->durable() == synced) return;
  const Status saved = SaveMark();
  if (saved.ok()) {
    marked_latest = latest;
  } else if (saved.fault() != Fault::kNoSpace) {
    gate->Fail(saved);  // without the mark a later loss could go unseen
  }
}

Status RocksStore::Parts::SaveMark() {
  return high_water->Update([this](HighWaterMark& mark) {
    mark.synced_sequence = gate->durable();
    mark.logs = db->synced_logs().List();  // after it: all up to it is in them, or in tables
    if (guarded_clock != nullptr) mark.anchor = guarded_clock->Anchor();
  });
}

Result<Record> RocksStore::Parts::Decoded(std::string_view value) const {
  Result<Record> record = Record::Decode(value);
  if (!record.ok()) return record;
  return Judged(*std::move(record), start);
}

Result<std::optional<Record>> RocksStore::Parts::Load(const Key& key) {
  rocksdb::PinnableSlice value;
  const Result<bool> found = db->Get(Family::kRecords, key.encoded(), &value);
  if (!found.ok()) return found.status();
  if (!*found) return std::optional<Record>();
  Result<Record> record = Decoded({value.data(), value.size()});
  if (!record.ok()) return record.status();
  return std::optional<Record>(std::move(*record));
}

Result<Moment> RocksStore::Parts::MomentFor(Needs needs) {
  Moment moment{.now_ms = clock->NowMs(), .unknown_retention_ms = options.unknown_retention_ms};
  if (needs.fresh_fence) {
    const Result<uint64_t> fence = fences->Next();
    if (!fence.ok()) return fence.status();
    moment.fresh_fence = *fence;
  }
  return moment;
}

}  // namespace onced

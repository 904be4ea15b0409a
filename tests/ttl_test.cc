// SPDX-License-Identifier: MIT
// Dead records and audit rows leave the disk, of an idle process too; nothing leaves it early.
// Readers are ledger_test.cc's matter: to them a dead record is absent whether it is gone or not.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/rocks_database.h"
#include "engine/table_reaper.h"
#include "engine/ttl_filter.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

// The grace of the design: written out, so that a smaller one does not pass.
constexpr int64_t kGraceMs = 60'000;

// RocksDB notes the real time at which it made a table; clocks here begin at that.
int64_t RealNowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct ReapedLedger : LedgerInAFolder {
  ReapedLedger() : LedgerInAFolder([](RocksStoreOptions& o) { o.reap_memory_age_ms = 0; }) {
    clock.Set(RealNowMs());
  }
  // A record that dies after kMinuteMs, and its run.
  void Store(const std::string& key) {
    const uint64_t fence = Value(ledger->Claim(K(key), AClaim())).record->fence;
    (void)Value(ledger->Complete(K(key), {.fence = fence, .result = "result of " + key}));
  }
  void Reap() { Must(store->Reap()); }
  // REQUIRES: it is closed.
  void DamageTables() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder.path() + "/db")) {
      if (entry.path().extension() != ".sst") continue;
      std::string bytes = ReadFile(entry.path().string());
      bytes[8] = static_cast<char>(bytes[8] ^ 1);  // in the first data block
      WriteFile(entry.path().string(), bytes);
    }
  }

  // What is really there: closes the store and reads the database without any filter.
  std::vector<std::string> OnDisk(const std::string& family) {
    Close();
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const char* name : {"default", "audit", "effects"}) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(
        rocksdb::DBOptions(), folder.path() + "/db", families, &handles, &raw);
    EXPECT_TRUE(opened.ok()) << opened.ToString();
    const std::unique_ptr<rocksdb::DB> db(raw);
    std::vector<std::string> found;
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == family) {
        const std::unique_ptr<rocksdb::Iterator> it(
            db->NewIterator(rocksdb::ReadOptions(), handle));
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
          const std::string encoded = family == "audit"
                                          ? it->key().ToString().substr(2, it->key().size() - 10)
                                          : it->key().ToString();
          found.emplace_back(Value(Key::Decode(encoded)).key());
        }
      }
      db->DestroyColumnFamilyHandle(handle);
    }
    Reopen();
    return found;
  }
  bool AnyFileHolds(const std::string& text) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
      if (entry.is_regular_file() &&
          ReadFile(entry.path().string()).find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  }
};

using Keys = std::vector<std::string>;

// Nothing but the reaper runs here: no write, no flush, no compaction of RocksDB's own.
TEST(Reaper, TakesTheDeadOfAnIdleStoreOffTheDisk) {
  ReapedLedger here;
  here.Store("a");
  here.Store("b");
  here.Reap();
  here.clock.Advance(2 * kMinuteMs);
  here.Reap();
  EXPECT_TRUE(here.OnDisk("default").empty());
  EXPECT_EQ(here.OnDisk("audit").size(), 2u) << "the story outlives the record";
  here.clock.Advance(25 * kHourMs);
  here.Reap();
  EXPECT_TRUE(here.OnDisk("audit").empty());
}

// A damaged table is no failed log: it ended the process with "log write failed", and sent the
// operator looking at the wrong file.
TEST(Reaper, TellsADamagedTableByItsName) {
  ReapedLedger here;
  std::atomic<bool> told{false};
  Status why = Status::Ok();
  here.options.on_log_failure = [&](const Status& status) {
    why = status;
    told = true;
  };
  here.Store("a");
  here.Close();
  here.DamageTables();
  here.Reopen();
  here.clock.Advance(2 * kMinuteMs);
  (void)here.store->Reap();
  ASSERT_TRUE(Eventually([&] { return told.load(); }));
  EXPECT_EQ(FaultOf(why), Fault::kCorruption);
  EXPECT_NE(why.message().find(".sst"), std::string::npos) << why.message();
  here.Close();
}

// A story: whoever asked for some keys was told 503, and nothing that an operator watches said so.
TEST(Reaper, IsNotNeededForADamagedTableToBeCounted) {
  ReapedLedger here;
  here.Store("a");
  here.Close();
  here.DamageTables();
  here.Reopen();
  EXPECT_EQ(here.store->Figures().troubles, 0u);
  EXPECT_EQ(FaultOf(here->Find(K("a"))), Fault::kCorruption);
  EXPECT_EQ(here.store->Figures().troubles, 1u);
}

TEST(Reaper, TakesWhatStillSatInMemoryToo) {
  ReapedLedger here;
  here.Store("a");
  ASSERT_TRUE(here.AnyFileHolds("result of a")) << "in the log";
  here.clock.Advance(2 * kMinuteMs);
  here.Reap();
  EXPECT_TRUE(Eventually([&] { return !here.AnyFileHolds("result of a"); }))
      << "in no table and in no log";
  EXPECT_TRUE(here.OnDisk("default").empty());
}

TEST(Reaper, LeavesYoungMemoryAlone) {
  ReapedLedger here;
  here.options.reap_memory_age_ms = 10 * kMinuteMs;
  here.Reopen();
  here.Store("a");
  const auto table_bytes = [&] { return here.store->Health().table_bytes; };
  here.Reap();
  here.clock.Advance(10 * kMinuteMs - 1);
  here.Reap();
  EXPECT_EQ(table_bytes(), 0u);
  here.clock.Advance(1);
  here.Reap();
  EXPECT_TRUE(here.OnDisk("default").empty());
}

TEST(Reaper, TakesNothingBeforeTheGraceIsOver) {
  ReapedLedger here;
  here.Store("a");
  here.clock.Advance(kMinuteMs + kGraceMs - 1);
  here.Reap();
  EXPECT_EQ(here.OnDisk("default"), Keys{"a"});
  here.clock.Advance(1);
  here.Reap();
  EXPECT_TRUE(here.OnDisk("default").empty());
}

TEST(Reaper, LeavesTheLivingWhateverTheirAge) {
  ReapedLedger here;
  ClaimCommand for_an_hour = AClaim();
  for_an_hour.lease_ms = kHourMs;
  const uint64_t renewed = Value(here->Claim(K("renewed"), for_an_hour)).record->fence;
  const uint64_t unknown = Value(here->Claim(K("unknown"), AClaim())).record->fence;
  (void)Value(here->MarkUnknown(K("unknown"), {.fence = unknown}));
  here.Store("dead");
  for (int day = 0; day < 3; ++day) {
    for (int hour = 0; hour < 24; ++hour) {
      here.clock.Advance(kHourMs);
      // Its retention is a minute: only the lease keeps this one.
      ASSERT_EQ(Value(here->Renew(K("renewed"), {.fence = renewed, .lease_ms = kHourMs})).outcome,
                Outcome::kRenewed);
    }
    here.Reap();
  }
  EXPECT_EQ(here.OnDisk("default"), Keys({"renewed", "unknown"}));
  EXPECT_EQ(Value(here->Complete(K("renewed"), {.fence = renewed})).outcome, Outcome::kCompleted);
  EXPECT_EQ(Value(here->Claim(K("unknown"), AClaim())).outcome, Outcome::kUnknown);
}

TEST(Reaper, TakesTheDeadFromAmongTheLivingWithinADay) {
  ReapedLedger here;
  here.Store("a");
  const uint64_t living = Value(here->Claim(K("b"), AClaim())).record->fence;
  (void)Value(here->MarkUnknown(K("b"), {.fence = living}));
  here.Store("c");
  here.Reap();
  here.clock.Advance(25 * kHourMs);
  here.Reap();
  EXPECT_EQ(here.OnDisk("default"), Keys{"b"});
}

// The wall clock is set forward and back by an hour, again and again; the guarded clock is what the
// filter goes by, so nothing alive is taken and nothing dead comes back.
class SteppedMachine : public TimeSource {
 public:
  int64_t BoottimeNs() override { return boottime_ms * 1'000'000; }
  int64_t WallNs() override { return wall_ms * 1'000'000; }
  bool WallSynchronised() override { return true; }
  std::string BootId() override { return "boot"; }
  static inline std::atomic<int64_t> boottime_ms{0}, wall_ms{0};
};

TEST(Reaper, IsNotMisledByAWallClockSteppedBackAndForth) {
  SteppedMachine::wall_ms = RealNowMs();
  GuardedClock clock(std::make_unique<SteppedMachine>(), std::nullopt);
  ReapedLedger here;
  here.options.clock = &clock;
  here.Reopen();
  here.Store("alive");
  ClaimCommand claim = AClaim();
  claim.lease_ms = kMinuteMs;
  const uint64_t flying = Value(here->Claim(K("flying"), claim)).record->fence;
  for (int i = 0; i < 20; ++i) {
    SteppedMachine::wall_ms += (i % 2 == 0 ? 2 : -2) * kHourMs;
    SteppedMachine::boottime_ms += kSecondMs;
    clock.Discipline();
    here.Reap();
    ASSERT_EQ(Value(here->Claim(K("alive"), AClaim())).outcome, Outcome::kReplay);
    ASSERT_EQ(Value(here->Claim(K("flying"), AClaim())).outcome, Outcome::kInFlight);
  }
  EXPECT_EQ(Value(here->Complete(K("flying"), {.fence = flying})).outcome, Outcome::kCompleted);
  EXPECT_EQ(here.OnDisk("default"), Keys({"alive", "flying"}));
}

// From here on: the filter and the reaper by themselves.

using FilterDecision = rocksdb::CompactionFilter::Decision;

FilterDecision Judged(
    ManualClock& clock, const std::string& value,
    rocksdb::CompactionFilter::ValueType type = rocksdb::CompactionFilter::ValueType::kValue) {
  const auto filter = NewTtlFilterFactory(&clock)->CreateCompactionFilter({});
  std::string new_value, skip_until;
  return filter->FilterV2(0, "key", type, value, &new_value, &skip_until);
}

TEST(TtlFilter, RemovesWhatHasBeenDeadForTheGraceAndNothingElse) {
  ManualClock clock;
  const Record record{.fence = 1, .lease_until_ms = clock.NowMs(), .retention_ms = 1'000};
  clock.Advance(1'000 + kGraceMs - 1);
  EXPECT_EQ(Judged(clock, record.Encode()), FilterDecision::kKeep);
  clock.Advance(1);
  EXPECT_EQ(Judged(clock, record.Encode()), FilterDecision::kRemove)
      << "kRemove: anything else could let an older version out again";
}

TEST(TtlFilter, CountsWhatItRemoves) {
  ManualClock clock;
  std::atomic<uint64_t> dropped{0};
  const std::string dead = Record{.fence = 1, .lease_until_ms = 1, .retention_ms = 1}.Encode();
  std::string new_value, skip_until;
  const auto factory = NewTtlFilterFactory(&clock, &dropped);
  for (int i = 0; i < 2; ++i) {
    const auto filter = factory->CreateCompactionFilter({});
    for (const std::string& value : {dead, dead, std::string("not a record")}) {
      filter->FilterV2(0, "key", rocksdb::CompactionFilter::ValueType::kValue, value, &new_value,
                       &skip_until);
    }
  }
  EXPECT_EQ(dropped, 4u) << "of each compaction when it ends";
}

TEST(TtlFilter, KeepsWhatItCannotRead) {
  ManualClock clock;
  std::string newer = Record{.fence = 1, .lease_until_ms = 1, .retention_ms = 1}.Encode();
  ASSERT_EQ(Judged(clock, newer), FilterDecision::kRemove);
  newer[0] = 2;
  for (const std::string& value : {newer, std::string(), std::string("\x01"),
                                   std::string(100, '\0'), std::string(100, '\xFF')}) {
    EXPECT_EQ(Judged(clock, value), FilterDecision::kKeep);
  }
}

TEST(TtlFilter, JudgesByTheTimeItsCompactionBegan) {
  ManualClock clock;
  const Record record{.fence = 1, .lease_until_ms = clock.NowMs(), .retention_ms = 1'000};
  const auto filter = NewTtlFilterFactory(&clock)->CreateCompactionFilter({});
  clock.Advance(kDayMs);
  std::string new_value, skip_until;
  EXPECT_EQ(filter->FilterV2(0, "key", rocksdb::CompactionFilter::ValueType::kValue,
                             record.Encode(), &new_value, &skip_until),
            FilterDecision::kKeep);
}

// A database whose tables the test arranges level by level.
struct Tables {
  Tables() : clock(RealNowMs()), options(QuickOptions(folder.path(), &clock)) {
    db = Value(RocksDatabase::Open(folder.path(), options, &clock));
    records = db->handle(Family::kRecords);
    reaper = std::make_unique<TableReaper>(db->raw(), std::vector{records}, &clock,
                                           ReaperLimits{.memory_age_ms = 0});
  }
  void Put(const std::string& key, int64_t lives_ms) {
    const Record record{.fence = 1, .lease_until_ms = clock.NowMs(), .retention_ms = lives_ms};
    rocksdb::WriteBatch batch;
    batch.Put(records, K(key).encoded(), record.Encode());
    Must(db->Write(&batch));
  }
  void Flush() { Must(db->FlushTables()); }
  void CompactTo(int level) {
    rocksdb::ColumnFamilyMetaData meta;
    db->raw()->GetColumnFamilyMetaData(records, &meta);
    std::vector<std::string> files;
    for (const auto& file : meta.levels[0].files) files.push_back(file.name);
    const rocksdb::Status s =
        db->raw()->CompactFiles(rocksdb::CompactionOptions(), records, files, level);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  // Names of the table files, by level.
  std::map<int, std::vector<std::string>> Names() {
    rocksdb::ColumnFamilyMetaData meta;
    db->raw()->GetColumnFamilyMetaData(records, &meta);
    std::map<int, std::vector<std::string>> names;
    for (const auto& level : meta.levels) {
      for (const auto& file : level.files) names[level.level].push_back(file.name);
    }
    return names;
  }

  TempFolder folder;
  ManualClock clock;
  RocksStoreOptions options;
  std::unique_ptr<RocksDatabase> db;
  rocksdb::ColumnFamilyHandle* records = nullptr;
  std::unique_ptr<TableReaper> reaper;
};

TEST(Reaper, TakesDeadTablesOfSeveralLevelsInOneRound) {
  Tables tables;
  for (const char* key : {"a", "b", "c"}) tables.Put(key, kMinuteMs);
  tables.Flush();
  tables.CompactTo(6);
  for (const char* key : {"a", "b", "c"}) tables.Put(key, kMinuteMs);
  tables.Flush();
  ASSERT_EQ(tables.Names().size(), 2u);
  tables.clock.Advance(3 * kMinuteMs);
  const Status reaped = tables.reaper->Run();
  EXPECT_TRUE(reaped.ok()) << reaped.message();
  EXPECT_TRUE(tables.Names().empty());
}

TEST(Reaper, DoesNotLetAnOlderVersionOutAgain) {
  Tables tables;
  tables.Put("a", 30 * kDayMs);
  tables.Flush();
  tables.CompactTo(6);
  tables.Put("a", kMinuteMs);
  tables.Flush();
  tables.CompactTo(5);
  tables.clock.Advance(3 * kMinuteMs);
  for (int round = 0; round < 3; ++round) {
    Must(tables.reaper->Run());
    EXPECT_FALSE(Value(tables.db->Get(Family::kRecords, K("a").encoded())).has_value());
  }
}

// The tombstones of what died in a middle level must not be rewritten round after round.
TEST(Reaper, ComesToRest) {
  Tables tables;
  for (const char* key : {"a", "b", "c"}) tables.Put(key, 30 * kDayMs);
  tables.Flush();
  tables.CompactTo(6);
  tables.Put("b", kMinuteMs);
  tables.Flush();
  tables.CompactTo(5);
  tables.clock.Advance(3 * kMinuteMs);
  for (int round = 0; round < 3; ++round) Must(tables.reaper->Run());
  const auto names = tables.Names();
  Must(tables.reaper->Run());
  EXPECT_EQ(tables.Names(), names);
}

TEST(Reaper, RewritesSixteenTablesARoundAtMost) {
  Tables tables;
  for (int i = 0; i < 20; ++i) {
    tables.Put("k" + std::to_string(100 + i), kMinuteMs);
    tables.Flush();
    tables.CompactTo(6);
  }
  ASSERT_EQ(tables.Names()[6].size(), 20u);
  tables.clock.Advance(3 * kMinuteMs);
  Must(tables.reaper->Run());
  EXPECT_EQ(tables.Names()[6].size(), 4u);
  Must(tables.reaper->Run());
  EXPECT_TRUE(tables.Names().empty());
}

TEST(TableDeaths, AreTheFirstAndTheLastOfATable) {
  Tables tables;
  const int64_t now_ms = tables.clock.NowMs();
  for (const int64_t lives_ms : {kHourMs, kMinuteMs, kDayMs}) {
    tables.Put("k" + std::to_string(lives_ms), lives_ms);
  }
  tables.Flush();
  rocksdb::TablePropertiesCollection properties;
  ASSERT_TRUE(tables.db->raw()->GetPropertiesOfAllTables(tables.records, &properties).ok());
  ASSERT_EQ(properties.size(), 1u);
  const std::optional<TableDeaths> deaths = DeathsIn(*properties.begin()->second);
  ASSERT_TRUE(deaths.has_value());
  EXPECT_EQ(deaths->first_ms, now_ms + kMinuteMs);
  EXPECT_EQ(deaths->last_ms, now_ms + kDayMs);
  EXPECT_FALSE(DeathsIn(rocksdb::TableProperties()).has_value());
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// The high-water file, and what a start makes of it: a torn slot costs the newest slot only, and a
// store that came up with less than was synced refuses to serve, names what is missing and keeps
// the logs as it found them.
#include "engine/high_water.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSlotSize = 4096;

HighWaterMark MarkOf(uint32_t epoch) {
  return {.epoch = epoch,
          .synced_sequence = epoch * uint64_t{1'000},
          .anchor = {.boot_id = "boot", .boottime_ms = 5, .now_ms = 6, .in_doubt = epoch % 2 == 1}};
}
void Save(HighWater& file, const HighWaterMark& mark) {
  Must(file.Update([&](HighWaterMark& m) { m = mark; }));
}
// A file that was updated with the epochs 1 up to `epochs`; the newest is in slot epochs % 2.
void WriteMarks(const std::string& path, uint32_t epochs) {
  const auto file = Value(HighWater::Open(path));
  for (uint32_t epoch = 1; epoch <= epochs; ++epoch) Save(*file, MarkOf(epoch));
}
std::optional<HighWaterMark> MarkIn(const std::string& path) {
  return Value(HighWater::Open(path))->mark();
}
void Damage(const std::string& path, size_t at, size_t size = 1) {
  std::string bytes = ReadFile(path);
  ASSERT_GE(bytes.size(), at + size);
  for (size_t i = at; i < at + size; ++i) bytes[i] = static_cast<char>(bytes[i] ^ 0x5A);
  WriteFile(path, bytes);
}

TEST(HighWater, HasNoMarkAtFirst) {
  TempFolder folder;
  EXPECT_FALSE(MarkIn(folder.path()).has_value());
}

TEST(HighWater, GivesBackTheNewestMark) {
  for (uint32_t epochs = 1; epochs <= 4; ++epochs) {
    TempFolder folder;
    WriteMarks(folder.path(), epochs);
    const auto mark = MarkIn(folder.path());
    ASSERT_TRUE(mark.has_value());
    const HighWaterMark wanted = MarkOf(epochs);
    EXPECT_EQ(mark->epoch, wanted.epoch);
    EXPECT_EQ(mark->synced_sequence, wanted.synced_sequence);
    EXPECT_EQ(mark->anchor.boot_id, wanted.anchor.boot_id);
    EXPECT_EQ(mark->anchor.boottime_ms, wanted.anchor.boottime_ms);
    EXPECT_EQ(mark->anchor.now_ms, wanted.anchor.now_ms);
    EXPECT_EQ(mark->anchor.in_doubt, wanted.anchor.in_doubt);
  }
}

TEST(HighWater, FallsBackToTheOlderSlotWhateverByteOfTheNewestIsDamaged) {
  TempFolder folder;
  for (const uint32_t epochs : {6u, 7u}) {
    WriteMarks(folder.path(), epochs);
    const size_t newest = (epochs % 2) * kSlotSize;
    for (const size_t at :
         {size_t{0}, size_t{5}, size_t{9}, size_t{17}, size_t{25}, size_t{2'000}, kSlotSize - 1}) {
      SCOPED_TRACE(at);
      const std::string copy = folder.path("copy");
      fs::copy_file(folder.path(), copy, fs::copy_options::overwrite_existing);
      Damage(copy, newest + at);
      const auto mark = MarkIn(copy);
      ASSERT_TRUE(mark.has_value());
      EXPECT_EQ(mark->epoch, epochs - 1);
    }
    fs::remove(folder.path());
  }
}

TEST(HighWater, FallsBackWhenTheNewestSlotWasTornOff) {
  TempFolder folder;
  WriteMarks(folder.path(), 7);  // in slot 1
  fs::resize_file(folder.path(), kSlotSize + 100);
  EXPECT_EQ(MarkIn(folder.path())->epoch, 6u);
}

TEST(HighWater, WritesOverTheTornSlotAndNotOverTheGoodOne) {
  TempFolder folder;
  WriteMarks(folder.path(), 7);
  Damage(folder.path(), kSlotSize + 20);
  Save(*Value(HighWater::Open(folder.path())), MarkOf(8));
  EXPECT_EQ(MarkIn(folder.path())->epoch, 8u);
  Damage(folder.path(), kSlotSize + 20);
  EXPECT_EQ(MarkIn(folder.path())->epoch, 6u) << "the older one is still there";
}

TEST(HighWater, HasNoMarkWhenBothSlotsAreDamaged) {
  TempFolder folder;
  WriteMarks(folder.path(), 7);
  Damage(folder.path(), 20);
  Damage(folder.path(), kSlotSize + 20);
  EXPECT_FALSE(MarkIn(folder.path()).has_value());
}

uint32_t Crc32(const std::string& bytes) {
  uint32_t crc = UINT32_MAX;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320 & (0 - (crc & 1)));
  }
  return ~crc;
}

TEST(HighWater, OfANewerFormatIsRefused) {
  TempFolder folder;
  WriteMarks(folder.path(), 1);  // slot 1
  std::string slot = ReadFile(folder.path()).substr(kSlotSize, kSlotSize - 4);
  slot[4] = 2;
  const uint32_t crc = Crc32(slot);
  slot.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  WriteFile(folder.path(), std::string(kSlotSize, '\0') + slot);
  EXPECT_EQ(FaultOf(HighWater::Open(folder.path())), Fault::kCorruption);
}

// From here on: a whole store.

void DamageBothSlots(const std::string& folder) {
  Damage(folder + "/high-water", 20);
  Damage(folder + "/high-water", kSlotSize + 20);
}

void ClaimSome(Ledger& ledger, int count) {
  for (int i = 0; i < count; ++i) {
    (void)Value(ledger.Claim(K("key" + std::to_string(i)), AClaim()));
  }
}

Status OpenStatus(const RocksStoreOptions& options) { return StatusOf(RocksStore::Open(options)); }

TEST(HighWater, MissingBesideANonEmptyDatabaseRefusesToOpen) {
  LedgerInAFolder here;
  ClaimSome(*here.ledger, 3);
  here.Close();
  DamageBothSlots(here.folder.path());
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption);
  fs::remove(here.folder.path() + "/high-water");
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption);
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption) << "asking twice helps nobody";
}

TEST(HighWater, MissingOpensWhenLossIsAccepted) {
  LedgerInAFolder here;
  const uint64_t fence = Value(here->Claim(K("a"), AClaim())).record->fence;
  here.Close();
  DamageBothSlots(here.folder.path());
  here.clock.Advance(kSecondMs);
  here.options.accept_data_loss = true;
  here.Reopen();
  EXPECT_EQ(Value(here->Claim(K("a"), AClaim())).outcome, Outcome::kInFlight);
  EXPECT_GT(Value(here->Claim(K("b"), AClaim())).record->fence, fence);
  here.options.accept_data_loss = false;
  here.Reopen();  // the mark is there again
}

// A database put back from a copy, beside the mark that a start which was cut short has left: it
// was taken for that start's own, and deleted.
TEST(HighWater, OfAStartThatNeverEndedDeletesNoDatabaseWithDataInIt) {
  LedgerInAFolder here;
  ClaimSome(*here.ledger, 3);
  here.Close();
  fs::remove(here.folder.path() + "/high-water");
  Must(Value(HighWater::Open(here.folder.path() + "/high-water"))->Update([](HighWaterMark&) {}));
  for (int tries = 0; tries < 2; ++tries) {
    const Status refused = OpenStatus(here.options);
    EXPECT_EQ(FaultOf(refused), Fault::kCorruption);
    EXPECT_NE(refused.message().find(".sst"), std::string::npos) << refused.message();
  }
  here.options.accept_data_loss = true;
  here.Reopen();
  EXPECT_EQ(Value(here->List({.tenant = "default", .scope = "default"})).rows.size(), 3u);
}

// What cannot be read was once taken for what is not there, and the folder got the mark of a first
// start before that failed: by it nothing was ever stored.
TEST(HighWater, IsNotMadeUpBesideADatabaseThatCannotBeRead) {
  LedgerInAFolder here;
  ClaimSome(*here.ledger, 1);
  here.Close();
  const std::string db = here.folder.path() + "/db";
  fs::rename(db, db + ".elsewhere");
  fs::create_symlink(db, db);  // to itself
  fs::remove(here.folder.path() + "/high-water");
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kIoError);
  EXPECT_FALSE(MarkIn(here.folder.path() + "/high-water").has_value());
  fs::remove(db);
  fs::rename(db + ".elsewhere", db);
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption);
}

// A first start that was cut short once cost the link to where the database was to be.
TEST(HighWater, OfAStartThatNeverEndedKeepsTheFolderOfTheDatabase) {
  const TempFolder folder;
  const TempFolder elsewhere;
  fs::create_directory(folder.path());
  fs::create_directory(elsewhere.path());
  fs::create_directory_symlink(elsewhere.path(), folder.path() + "/db");
  ManualClock clock;
  Save(*Value(HighWater::Open(folder.path() + "/high-water")), HighWaterMark{});
  WriteFile(elsewhere.path() + "/CURRENT", "MANIFEST-0000");  // cut short
  EXPECT_TRUE(RocksStore::Open(QuickOptions(folder.path(), &clock)).ok());
  EXPECT_TRUE(fs::is_symlink(folder.path() + "/db"));
  EXPECT_NE(ReadFile(elsewhere.path() + "/CURRENT"), "MANIFEST-0000");
}

TEST(HighWater, KnowsTheEpochOfAStartWhicheverSlotIsDamaged) {
  LedgerInAFolder here;
  const uint32_t epoch = MarkIn(here.folder.path() + "/high-water")->epoch;
  EXPECT_GT(epoch, 0u);
  for (size_t slot = 0; slot < 2; ++slot) {
    const std::string copy = here.folder.path("copy");
    WriteFile(copy, ReadFile(here.folder.path() + "/high-water"));
    Damage(copy, slot * kSlotSize + 8);
    EXPECT_EQ(MarkIn(copy)->epoch, epoch) << slot;
  }
}

// `onced clock accept` must not be a way round the refusal: the clock is all it vouches for.
TEST(HighWater, MissingIsNotMadeUpByAcceptingTheWallClock) {
  LedgerInAFolder here;
  ClaimSome(*here.ledger, 3);
  here.Close();
  fs::remove(here.folder.path() + "/high-water");
  (void)AcceptWallClock(here.folder.path());
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption);
}

TEST(HighWater, KeepsItsEpochAndSequenceWhenTheWallClockIsAccepted) {
  LedgerInAFolder here;
  const uint64_t fence = Value(here->Claim(K("a"), AClaim())).record->fence;
  here.Close();
  const auto before = MarkIn(here.folder.path() + "/high-water");
  Must(AcceptWallClock(here.folder.path()));
  const auto after = MarkIn(here.folder.path() + "/high-water");
  EXPECT_EQ(after->epoch, before->epoch);
  EXPECT_EQ(after->synced_sequence, before->synced_sequence);
  EXPECT_FALSE(after->anchor.in_doubt);
  here.Reopen();
  EXPECT_GT(Value(here->Claim(K("b"), AClaim())).record->fence, fence);
}

std::vector<fs::path> LogsIn(const std::string& folder) {
  std::vector<fs::path> logs;
  if (!fs::exists(folder)) return logs;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) logs.push_back(entry.path());
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

// What a power cut leaves of a store that was up and synced: a copy of its folder, whose mark says
// that everything in it was synced.
struct PowerCut {
  PowerCut() {
    here.options.durability = Durability::kSync;
    here.Reopen();
    ClaimSome(*here.ledger, 50);
    synced = here.store->Health().durable_sequence;
    options = here.options;
    options.path = here.folder.path("copy");
    CopyFolder(here.folder.path(), options.path);
    fs::remove_all(options.path + "/quarantine");
    Must(Value(HighWater::Open(options.path + "/high-water"))->Update([&](HighWaterMark& mark) {
      mark.synced_sequence = synced;
    }));
  }
  fs::path LastLog() const { return LogsIn(options.path + "/db").back(); }

  LedgerInAFolder here;
  uint64_t synced = 0;
  RocksStoreOptions options;
};

TEST(Recovery, OfAllThatWasSyncedOpens) {
  PowerCut cut;
  const auto store = OpenStore(cut.options);
  Ledger ledger(store.get());
  EXPECT_EQ(Value(ledger.Claim(K("key49"), AClaim())).outcome, Outcome::kInFlight);
  EXPECT_TRUE(LogsIn(cut.options.path + "/quarantine").empty()) << "nothing to keep";
}

TEST(Recovery, OfLessThanWasSyncedRefusesAndNamesBothNumbers) {
  PowerCut cut;
  const fs::path log = cut.LastLog();
  fs::resize_file(log, fs::file_size(log) - 1);
  const Status status = OpenStatus(cut.options);
  ASSERT_EQ(FaultOf(status), Fault::kCorruption);
  EXPECT_NE(status.message().find(std::to_string(cut.synced)), std::string::npos)
      << status.message();
  EXPECT_NE(status.message().find(std::to_string(cut.synced - 1)), std::string::npos)
      << status.message();
}

TEST(Recovery, FromADamagedLogRefusesAgainAndAgainAndKeepsTheLogAsFound) {
  PowerCut cut;
  const fs::path log = cut.LastLog();
  Damage(log.string(), fs::file_size(log) / 2);
  const std::string as_found = ReadFile(log.string());
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(FaultOf(OpenStatus(cut.options)), Fault::kCorruption) << i;
    const std::string kept = cut.options.path + "/quarantine/" + log.filename().string();
    ASSERT_TRUE(fs::exists(kept)) << i;
    EXPECT_EQ(ReadFile(kept), as_found) << i;
  }
}

TEST(Recovery, FromADamagedLogOpensWhenLossIsAccepted) {
  PowerCut cut;
  const fs::path log = cut.LastLog();
  Damage(log.string(), fs::file_size(log) / 2);
  ASSERT_FALSE(OpenStatus(cut.options).ok());
  cut.options.accept_data_loss = true;
  uint64_t fence = 0;
  {
    const auto store = OpenStore(cut.options);
    Ledger ledger(store.get());
    EXPECT_EQ(Value(ledger.Claim(K("key0"), AClaim())).outcome, Outcome::kInFlight);
    const Reply lost = Value(ledger.Claim(K("key49"), AClaim()));
    EXPECT_EQ(lost.outcome, Outcome::kClaimed);
    fence = lost.record->fence;
  }
  EXPECT_GT(fence, Value(cut.here->Find(K("key49"))).record->fence);
  cut.options.accept_data_loss = false;
  EXPECT_TRUE(OpenStatus(cut.options).ok()) << "what is missing was accepted once and for all";
}

// Whoever accepts the loss may still want to read what the damaged log holds behind the damage.
TEST(Recovery, KeepsTheDamagedLogWhenLossIsAccepted) {
  PowerCut cut;
  const fs::path log = cut.LastLog();
  Damage(log.string(), fs::file_size(log) / 2);
  cut.options.accept_data_loss = true;
  (void)OpenStore(cut.options);
  bool kept = false;
  for (const auto& entry : fs::recursive_directory_iterator(cut.options.path)) {
    kept |= entry.path().filename() == log.filename() &&
            entry.path().string().find("quarantine") != std::string::npos;
  }
  EXPECT_TRUE(kept);
}

// Without CURRENT RocksDB would take the folder for empty and clear away what it does not know.
TEST(Recovery, OfADatabaseThatLostItsCurrentFileRefusesAndDeletesNothing) {
  LedgerInAFolder here;
  ClaimSome(*here.ledger, 5);
  here.Close();
  const std::string database = here.folder.path() + "/db";
  fs::remove(database + "/CURRENT");
  std::set<fs::path> before;
  for (const auto& entry : fs::directory_iterator(database)) {
    if (entry.path().extension() == ".sst") before.insert(entry.path());
  }
  ASSERT_FALSE(before.empty());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption) << i;
    EXPECT_FALSE(fs::exists(database + "/CURRENT")) << "a new database was made over the old one";
    for (const fs::path& table : before) EXPECT_TRUE(fs::exists(table)) << table;
  }
}

TEST(Recovery, OfADatabaseThatWasWipedBesideItsMarkRefuses) {
  LedgerInAFolder here;
  ClaimSome(*here.ledger, 5);
  here.Close();
  fs::remove_all(here.folder.path() + "/db");
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption);
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kCorruption);
}

TEST(Recovery, IsForOneOpenerAtATime) {
  LedgerInAFolder here;
  EXPECT_EQ(FaultOf(OpenStatus(here.options)), Fault::kUnavailable);
  EXPECT_EQ(FaultOf(AcceptWallClock(here.folder.path())), Fault::kUnavailable);
  here.Close();
  EXPECT_TRUE(OpenStatus(here.options).ok());
}

}  // namespace
}  // namespace onced

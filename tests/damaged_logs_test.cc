// SPDX-License-Identifier: MIT
// Damage to one of several logs. A family that is seldom written has what it knows in an old one
// while the others have long been written out, and the newest log has the last sequence number
// whatever has become of the old ones. So each is missed, gone, cut or changed, and named, and no
// other is.
//
// ONCED_FLIPS=<n>: bits that are flipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/high_water.h"
#include "tests/crash_fs.h"
#include "tests/fixtures.h"
#include "tests/log_records.h"
#include "tests/proof.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

constexpr int kLogs = 4;
constexpr int kEach = 12;

// A folder as a crash has left it: the effects of payments in the first of its logs only, what was
// stored under names in the first two, and keys in the tables and in the last; all synced and
// marked so.
class Image {
 public:
  Image() {
    LedgerInAFolder here([](RocksStoreOptions& options) {
      options.durability = Durability::kSync;
      options.reap_memory_age_ms = 0;
    });
    for (int i = 0; i < kEach; ++i) Pay(here, "e" + std::to_string(i));
    for (int log = 0; log < kLogs; ++log) {
      for (int i = 0; i < kEach; ++i) Complete(here, std::to_string(log) + "k" + std::to_string(i));
      if (log + 1 == kLogs) break;
      Must(here.store->Reap());  // writes out what has keys, and so begins another log
    }
    const std::string copy = folder_.path("image");
    marked_ = Eventually([&] {  // the mark is written beside the work
      CopyFolder(here.folder.path(), copy);
      return Value(HighWater::Peek(copy + "/high-water")).synced_sequence ==
             here.store->Health().latest_sequence;
    });
    for (const auto& entry : fs::directory_iterator(copy + "/db")) {
      if (entry.path().extension() != ".log" || entry.file_size() == 0) continue;
      logs_.push_back(entry.path().filename().string());
    }
    std::sort(logs_.begin(), logs_.end());
  }

  bool marked() const { return marked_; }
  const std::vector<std::string>& logs() const { return logs_; }
  std::string Bytes(const std::string& log) const {
    return ReadFile(folder_.path("image") + "/db/" + log);
  }

  // What the store says that refuses a copy of this with `bytes` for `log`, or without it; "": it
  // opens.
  std::string Refusal(const std::string& log, const std::optional<std::string>& bytes) const {
    const TempFolder folder;
    CopyFolder(folder_.path("image"), folder.path());
    const std::string path = folder.path() + "/db/" + log;
    if (bytes.has_value()) WriteFile(path, *bytes);
    if (!bytes.has_value()) fs::remove(path);
    CrashDisk disk(folder.path());  // whose syncs cost nothing
    ManualClock clock;
    RocksStoreOptions options = QuickOptions(folder.path(), &clock);
    options.env = disk.env();
    const Result<std::unique_ptr<RocksStore>> store = RocksStore::Open(options);
    if (store.ok()) return "";
    if (store.status().fault() != Fault::kCorruption) return "another fault";
    return store.status().message();
  }

  // Whether all is there in a copy to which nothing was done.
  bool IsWhole() const {
    const TempFolder folder;
    CopyFolder(folder_.path("image"), folder.path());
    ManualClock clock;
    const auto store = OpenStore(QuickOptions(folder.path(), &clock));
    Ledger ledger(store.get());
    return std::all_of(keys_.begin(), keys_.end(), [&](const std::string& key) {
      return Value(ledger.Find(K(key))).record.has_value() &&
             (key[0] != 'e' || !Value(ledger.ReadEffect(K(key, "paid"))).rows.empty());
    });
  }

 private:
  void Pay(LedgerInAFolder& here, const std::string& key) {
    const std::vector<Key> effects = {K(key, "paid")};
    (void)Value(here->Execute(K(key), {.fingerprint = "fp", .retention_ms = kDayMs}, effects,
                              [&](Batch& batch) -> Result<std::string> {
                                batch.Put(effects[0], "+");
                                return std::string("paid");
                              }));
    keys_.push_back(key);
  }
  void Complete(LedgerInAFolder& here, const std::string& key) {
    const uint64_t fence = Value(here->Claim(K(key), LongClaim())).record->fence;
    (void)Value(here->Complete(
        K(key), {.fence = fence, .result = std::string(500, 'r'), .retention_ms = std::nullopt}));
    keys_.push_back(key);
  }

  TempFolder folder_;
  bool marked_ = false;
  std::vector<std::string> logs_;
  std::vector<std::string> keys_;
};

class DamagedLog : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(image.marked());
    ASSERT_EQ(image.logs().size(), size_t{kLogs});
    ASSERT_TRUE(image.IsWhole());
  }

  // Refused, with the name of `log` and of no other.
  void Expect(Proof& proof, const std::string& log, const std::optional<std::string>& bytes,
              const std::string& what) {
    const std::string why = image.Refusal(log, bytes);
    ++proof.count;
    ++proof.faults;
    const bool named =
        std::all_of(image.logs().begin(), image.logs().end(), [&](const std::string& other) {
          return (why.find(other) != std::string::npos) == (other == log);
        });
    if (!why.empty() && named) return;
    ++proof.failures;
    ADD_FAILURE() << log << ", " << what << ": " << (why.empty() ? "it opened" : why);
  }

  const Image image;
};

// A story: payments of which nobody knew any more, in a store that opened as if nothing were
// missing.
TEST_F(DamagedLog, ThatIsGoneOrEndsEarlyIsMissedByName) {
  Proof proof("logs of several, gone or cut", "ONCED_FLIPS", 0);
  for (const std::string& log : image.logs()) {
    Expect(proof, log, std::nullopt, "gone");
    const std::string whole = image.Bytes(log);
    Expect(proof, log, "", "empty");
    for (const size_t end : EndsOfRecords(whole)) {
      if (end == whole.size()) continue;
      Expect(proof, log, whole.substr(0, end), "cut at " + std::to_string(end));
      if (proof.failures > 5) return;
    }
  }
}

TEST_F(DamagedLog, OfWhichABitHasChangedIsRefusedByName) {
  Proof proof("logs of several, flipped bits", "ONCED_FLIPS", 200);
  std::mt19937_64 random(proof.seed());
  while (proof.count < proof.rounds() && proof.failures < 5) {
    const std::string& log = image.logs()[random() % image.logs().size()];
    std::string bytes = image.Bytes(log);
    // Every other one in the head of a record, where a bit means most.
    constexpr size_t kHead = 7;
    std::vector<size_t> ends = EndsOfRecords(bytes);
    ends.back() = 0;  // where the first one begins
    const std::vector<size_t> places = BytesOfRecords(bytes);
    const size_t place = random() % 2 == 0 ? ends[random() % ends.size()] + random() % kHead
                                           : places[random() % places.size()];
    char& byte = bytes[place];
    byte = static_cast<char>(byte ^ 1 << random() % 8);
    Expect(proof, log, bytes, "flip " + std::to_string(proof.count));
  }
}

// A story: one flipped bit made of a record's type that of a log which is used again, and RocksDB
// took it, without a word, for the rest of an older log: refused it was, but nobody knew which one.
TEST_F(DamagedLog, InWhichARecordLooksLikeThatOfAnOlderLogIsRefusedByName) {
  Proof proof("logs of several, odd records", "ONCED_FLIPS", 0);
  for (const std::string& log : image.logs()) {
    size_t begin = 0;
    for (const size_t end : EndsOfRecords(image.Bytes(log))) {
      constexpr size_t kType = 6;  // where it stands in a record
      std::string bytes = image.Bytes(log);
      bytes[begin + kType] = static_cast<char>(bytes[begin + kType] ^ 4);
      Expect(proof, log, bytes, "record at " + std::to_string(begin));
      begin = end;
    }
  }
}

// What RocksDB has deleted is not missed, nor what it has not yet: over many rounds of new logs.
TEST(DamagedLogs, AreNoneThatAreNeededNoMore) {
  LedgerInAFolder here([](RocksStoreOptions& options) {
    options.durability = Durability::kSync;
    options.reap_memory_age_ms = 0;
  });
  for (int round = 0; round < 30; ++round) {
    (void)Value(here->Claim(K("k" + std::to_string(round)), LongClaim()));
    Must(here.store->Reap());
    const TempFolder crashed;
    CopyFolder(here.folder.path(), crashed.path());
    ManualClock clock;
    const auto store = OpenStore(QuickOptions(crashed.path(), &clock));
    Ledger ledger(store.get());
    for (int i = 0; i <= round; ++i) {
      ASSERT_TRUE(Value(ledger.Find(K("k" + std::to_string(i)))).record.has_value()) << i;
    }
    if (round % 10 == 9) here.Reopen();
  }
}

}  // namespace
}  // namespace onced

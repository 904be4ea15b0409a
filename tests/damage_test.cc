// SPDX-License-Identifier: MIT
// Damage to files of a store that had synced them: whatever it is, the store refuses to open and
// names a file, or opens with all that was synced, or answers a read with a fault; it never shows
// less, or something else. A log of which all is below the mark it refuses, whichever bit of it has
// changed, and names it. And the end of a MANIFEST that was never synced is no damage.
//
// ONCED_FLIPS=<n>: bits that are flipped.
#include <gtest/gtest.h>

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

constexpr int kKeys = 120;

// A folder as a crash has left it: keys in tables, and as many in a log; all synced, and marked so.
class Image {
 public:
  Image() {
    LedgerInAFolder here([](RocksStoreOptions& o) { o.durability = Durability::kSync; });
    Complete(here, 0, kKeys / 2);
    older_ = folder_.path("older");
    CopyFolder(here.folder.path(), older_);
    here.Reopen();  // into tables
    Complete(here, kKeys / 2, kKeys);
    const std::string copy = folder_.path("image");
    // The mark is written beside the work.
    marked_ = Eventually([&] {
      CopyFolder(here.folder.path(), copy);
      return Value(HighWater::Open(copy + "/high-water"))->mark()->synced_sequence ==
             here.store->Health().latest_sequence;
    });
  }

  bool marked() const { return marked_; }
  std::string path() const { return folder_.path("image"); }
  const std::string& older() const { return older_; }
  std::vector<std::string> Files(const std::string& begin, const std::string& end) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path() + "/db")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(begin) && name.ends_with(end) && entry.file_size() > 0) {
        files.push_back(name);
      }
    }
    return files;
  }
  const std::map<std::string, std::string>& results() const { return results_; }

 private:
  void Complete(LedgerInAFolder& here, int begin, int end) {
    std::mt19937_64 random(static_cast<uint64_t>(begin));
    for (int i = begin; i < end; ++i) {
      const std::string key = "k" + std::to_string(i);
      const uint64_t fence = Value(here->Claim(K(key), LongClaim())).record->fence;
      std::string result = key + std::string(random() % 900, static_cast<char>('a' + i % 26));
      (void)Value(
          here->Complete(K(key), {.fence = fence, .result = result, .retention_ms = std::nullopt}));
      results_[key] = std::move(result);
    }
  }

  TempFolder folder_;
  std::string older_;
  bool marked_ = false;
  std::map<std::string, std::string> results_;
};

enum class Found { kRefused, kWhole, kFault, kLess };

// What a store makes of a copy of `image` that `damage` was done to. `why`: what it says, or shows.
Found Open(const Image& image, const std::function<void(const std::string& folder)>& damage,
           std::string* why) {
  const TempFolder folder;
  CopyFolder(image.path(), folder.path());
  damage(folder.path());
  CrashDisk disk(folder.path());  // whose syncs cost nothing
  ManualClock clock;
  RocksStoreOptions options = QuickOptions(folder.path(), &clock);
  options.env = disk.env();
  const Result<std::unique_ptr<RocksStore>> store = RocksStore::Open(options);
  if (!store.ok()) {
    *why = store.status().message();
    return store.status().fault() == Fault::kCorruption ? Found::kRefused : Found::kLess;
  }
  Ledger ledger(store->get());
  bool fault = false;
  for (const auto& [key, result] : image.results()) {
    const Result<FoundReply> found = ledger.Find(K(key));
    fault = fault || !found.ok();
    if (!found.ok()) continue;
    if (!found->record.has_value() || found->record->result != result) {
      *why = key + " is not as it was";
      return Found::kLess;
    }
  }
  return fault ? Found::kFault : Found::kWhole;
}

bool NamesAFile(const std::string& message) {
  for (const char* name : {".log", ".sst", "MANIFEST", "CURRENT", "high-water"}) {
    if (message.find(name) != std::string::npos) return true;
  }
  return false;
}

void FlipBit(const std::string& path, std::mt19937_64& random) {
  std::string bytes = ReadFile(path);
  char& byte = bytes[random() % bytes.size()];
  byte = static_cast<char>(byte ^ 1 << random() % 8);
  WriteFile(path, bytes);
}

// The bits of files that are read as they are needed, or not at all.
void Flip(const Image& image, const std::vector<std::string>& files, uint64_t times, Proof* proof) {
  ASSERT_FALSE(files.empty());
  std::mt19937_64 random(proof->seed());
  std::map<Found, int> found;
  for (uint64_t i = 0; i < times && proof->failures < 5; ++i) {
    const std::string& file = files[random() % files.size()];
    std::string why;
    const Found one = Open(
        image, [&](const std::string& folder) { FlipBit(folder + "/db/" + file, random); }, &why);
    ++found[one];
    ++proof->count;
    ++proof->faults;
    if (one == Found::kLess || (one == Found::kRefused && !NamesAFile(why))) {
      ++proof->failures;
      ADD_FAILURE() << file << ", flip " << i << ": " << why;
    }
  }
  proof->remark = std::to_string(found[Found::kRefused]) + " refused, " +
                  std::to_string(found[Found::kWhole]) + " whole, " +
                  std::to_string(found[Found::kFault]) + " faults";
}

// All of it was synced, and the mark says so.
TEST(Damage, ToABitOfTheLogIsRefusedByName) {
  Proof proof("flipped bits, log", "ONCED_FLIPS", 1'600);
  const Image image;
  ASSERT_TRUE(image.marked());
  const std::vector<std::string> logs = image.Files("", ".log");
  ASSERT_EQ(logs.size(), 1u) << "others are of no use any more";
  const std::string log = "/db/" + logs[0];
  const std::string whole = ReadFile(image.path() + log);
  const std::vector<size_t> places = BytesOfRecords(whole);
  ASSERT_GT(places.size(), whole.size() - 100);
  std::mt19937_64 random(proof.seed());
  for (; proof.count < proof.rounds() && proof.failures < 5; ++proof.count) {
    const size_t place = places[random() % places.size()];
    const auto bit = static_cast<char>(1 << random() % 8);
    std::string why = "it opened";
    const Found found = Open(
        image,
        [&](const std::string& folder) {
          std::string bytes = whole;
          bytes[place] = static_cast<char>(bytes[place] ^ bit);
          WriteFile(folder + log, bytes);
        },
        &why);
    ++proof.faults;
    if (found == Found::kRefused && why.find(logs[0]) != std::string::npos) continue;
    ++proof.failures;
    ADD_FAILURE() << log << ", byte " << place << ", bit " << int{bit} << ": " << why;
  }
  proof.remark = std::to_string(proof.count - proof.failures) + " refused by name";
}

TEST(Damage, ToABitOfAnyOtherFileIsNeverBelieved) {
  Proof proof("flipped bits, tables, names, mark", "ONCED_FLIPS", 400);
  const Image image;
  ASSERT_TRUE(image.marked());
  std::vector<std::string> files = image.Files("", ".sst");
  for (const std::string& file : image.Files("MANIFEST", "")) files.push_back(file);
  files.emplace_back("CURRENT");
  files.emplace_back("../high-water");
  Flip(image, files, proof.rounds(), &proof);
}

// RocksDB reads a table's properties before it looks at their checksum; one bit of them ended the
// process in an assertion. They end in the number of their restarts, which is 1.
TEST(Damage, ToTheHighestBitOfATablesPropertiesIsRefusedByName) {
  const Image image;
  for (const std::string& name : image.Files("", ".sst")) {
    const std::string whole = ReadFile(image.path() + "/db/" + name);
    const std::string one("\1\0\0\0", 4);
    size_t met = 0;
    for (size_t at = whole.find(one); at != std::string::npos; at = whole.find(one, at + 1)) {
      std::string why;
      const Found found = Open(
          image,
          [&](const std::string& folder) {
            std::string bytes = whole;
            bytes[at + 3] = static_cast<char>(bytes[at + 3] ^ 0x80);
            WriteFile(folder + "/db/" + name, bytes);
          },
          &why);
      EXPECT_NE(found, Found::kLess) << name << ", byte " << at << ": " << why;
      if (why.find(name + " is damaged: its properties") != std::string::npos) ++met;
    }
    EXPECT_EQ(met, 1U) << name;
  }
}

TEST(Damage, ThatCutsTheLogShortIsRefused) {
  Proof proof("logs cut short", "ONCED_FLIPS", 200);
  const Image image;
  ASSERT_TRUE(image.marked());
  std::mt19937_64 random(proof.seed());
  const std::string log = image.Files("", ".log").back();
  const uint64_t size = fs::file_size(image.path() + "/db/" + log);
  for (; proof.count < proof.rounds(); ++proof.count) {
    const uint64_t left = proof.count < 50 ? size - 1 - proof.count : random() % size;
    std::string why;
    const Found found = Open(
        image, [&](const std::string& folder) { fs::resize_file(folder + "/db/" + log, left); },
        &why);
    ++proof.faults;
    if (found == Found::kRefused && NamesAFile(why)) continue;
    ++proof.failures;
    ADD_FAILURE() << left << " bytes of " << size << ": " << why;
  }
}

TEST(Damage, ByMissingOrOlderFilesIsRefused) {
  Proof proof("missing and older files", "ONCED_FLIPS", 0);
  const Image image;
  ASSERT_TRUE(image.marked());
  std::vector<std::string> gone = image.Files("", ".sst");
  gone.push_back(image.Files("", ".log").back());
  gone.push_back(image.Files("MANIFEST", "").back());
  gone.emplace_back("CURRENT");
  const auto expect_refused = [&](const std::string& what, const auto& damage) {
    std::string why;
    const Found found = Open(image, damage, &why);
    ++proof.count;
    ++proof.faults;
    if (found == Found::kRefused && NamesAFile(why)) return;
    ++proof.failures;
    ADD_FAILURE() << what << ": " << why;
  };
  for (const std::string& file : gone) {
    expect_refused("without " + file,
                   [&](const std::string& folder) { fs::remove(folder + "/db/" + file); });
  }
  expect_refused("without its mark",
                 [&](const std::string& folder) { fs::remove(folder + "/high-water"); });
  expect_refused("with an older MANIFEST", [&](const std::string& folder) {
    for (const auto& entry : fs::directory_iterator(image.older() + "/db")) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("MANIFEST") && name != "CURRENT") continue;
      fs::copy_file(entry.path(), folder + "/db/" + name, fs::copy_options::overwrite_existing);
    }
  });
}

// RocksDB takes a MANIFEST whose last record was torn for a damaged one; a power cut that tore it
// once left a store that did not open.
TEST(Damage, ToTheEndOfAManifestThatWasNeverSyncedIsNone) {
  const Image image;
  ASSERT_TRUE(image.marked());
  const std::string manifest = "/db/" + image.Files("MANIFEST", "").back();
  const std::string whole = ReadFile(image.path() + manifest);
  // A record as the file begins with one: a checksum of 4 bytes, a length of 2, a type of 1, and so
  // many bytes. The file is shorter than a block of its format.
  const size_t length = static_cast<uint8_t>(whole[4]) + 256U * static_cast<uint8_t>(whole[5]);
  const std::string record = whole.substr(0, 7 + length);
  ASSERT_LT(whole.size() + record.size(), 32U << 10);
  std::mt19937_64 random(3);
  for (int i = 0; i < 20; ++i) {
    std::string torn = record;
    char& byte = torn[7 + random() % length];
    byte = static_cast<char>(byte ^ 1 << random() % 8);
    std::string why;
    EXPECT_EQ(
        Open(
            image, [&](const std::string& folder) { WriteFile(folder + manifest, whole + torn); },
            &why),
        Found::kWhole)
        << why;
  }
}

}  // namespace
}  // namespace onced

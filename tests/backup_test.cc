// SPDX-License-Identifier: MIT
// A backup of a store that runs: what was answered before it is in it, it can be read through and
// restored, and neither a start nor a restore ever takes one thing for another.
#include "engine/backup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/ledger.h"
#include "engine/rocks_store.h"
#include "engine/synced_files.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<RocksStore> Open(const std::string& path) {
  Result<std::unique_ptr<RocksStore>> store = RocksStore::Open({.path = path});
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? std::move(*store) : nullptr;
}

const ClaimCommand kClaim{.fingerprint = "f", .lease_ms = 60'000, .retention_ms = 600'000};

Key KeyOf(const std::string& name) { return *Key::Make("default", "default", name); }

// Claims and completes, and says how far it has come.
class Load {
 public:
  Load(Ledger* ledger, std::string name) : ledger_(*ledger), name_(std::move(name)) {
    thread_ = std::thread([this] {
      for (uint64_t i = 0; !stop_; ++i) {
        const Key key = KeyOf(name_ + std::to_string(i));
        const Result<Reply> claimed = ledger_.Claim(key, kClaim);
        if (!claimed.ok() || claimed->outcome != Outcome::kClaimed) return;
        newest_fence_ = claimed->record->fence;
        if (i % 3 == 0) continue;  // in flight
        (void)ledger_.Complete(key, {.fence = claimed->record->fence, .result = name_});
        completed_ = i;
      }
    });
  }
  ~Load() {
    stop_ = true;
    thread_.join();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  const std::string& name() const { return name_; }
  uint64_t completed() const { return completed_; }
  uint64_t newest_fence() const { return newest_fence_; }

 private:
  Ledger& ledger_;
  const std::string name_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> completed_{0};
  std::atomic<uint64_t> newest_fence_{0};
  std::thread thread_;
};

std::string Listing(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().string()] = ReadFile(entry.path().string());
  }
  std::string all;
  for (const auto& [name, bytes] : files) all += name + "=" + bytes + "\n";
  return all;
}

TEST(Backup, HoldsWhatWasAnsweredBeforeItAndCanBeRestored) {
  const TempFolder folder;
  const std::unique_ptr<RocksStore> store = Open(folder.path());
  Ledger ledger(store.get());
  std::map<std::string, uint64_t> before;
  uint64_t newest_fence = 0;
  {
    std::vector<std::unique_ptr<Load>> loads;
    for (const char* name : {"a", "b", "c", "d"}) {
      loads.push_back(std::make_unique<Load>(&ledger, name));
    }
    ASSERT_TRUE(Eventually([&] { return loads.back()->completed() > 300; }));
    for (int round = 0; round < 3; ++round) {
      for (const auto& load : loads) before[load->name()] = load->completed();
      const Status made = store->Backup(folder.path("backup-" + std::to_string(round)));
      ASSERT_TRUE(made.ok()) << made.message();
    }
    for (const auto& load : loads) newest_fence = std::max(newest_fence, load->newest_fence());
  }
  const std::string backup = folder.path("backup-2");
  const std::string listing = Listing(backup);
  const Result<FolderReport> report = VerifyFolder(backup);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(Listing(backup), listing) << "whoever looks changes nothing";
  EXPECT_TRUE(report->is_backup);
  EXPECT_GE(report->sequence, report->synced_sequence);

  const std::string restored = folder.path("restored");
  uint64_t told = 0;
  const Status done = RestoreBackup(backup, restored, [&](uint64_t so_far, uint64_t all) {
    EXPECT_LE(so_far, all);
    told = so_far == all ? told + 1 : told;
  });
  ASSERT_TRUE(done.ok()) << done.message();
  EXPECT_EQ(told, 1u) << "it ends at the whole";
  EXPECT_EQ(Listing(backup), listing);
  const std::unique_ptr<RocksStore> again = Open(restored);
  ASSERT_NE(again, nullptr);
  Ledger other(again.get());
  for (const auto& [name, completed] : before) {
    for (uint64_t i = 0; i <= completed; ++i) {
      const Result<FoundReply> found = other.Find(KeyOf(name + std::to_string(i)));
      ASSERT_TRUE(found.ok() && found->record.has_value()) << name << i << " is lost";
      ASSERT_EQ(found->record->state, i % 3 == 0 ? State::kInFlight : State::kCompleted) << i;
    }
  }
  const Result<Reply> fresh = other.Claim(KeyOf("fresh"), kClaim);
  ASSERT_TRUE(fresh.ok());
  EXPECT_GT(fresh->record->fence, newest_fence) << "above all that the other had given, too";
}

TEST(Backup, IsNoDataFolder) {
  const TempFolder folder;
  const std::string backup = folder.path("backup");
  {
    const std::unique_ptr<RocksStore> store = Open(folder.path());
    ASSERT_TRUE(store->Backup(backup).ok());
    EXPECT_EQ(VerifyFolder(folder.path()).status().fault(), Fault::kUnavailable) << "it runs";
    for (const std::string& wrong : {backup, std::string("relative"), folder.path("no/such")}) {
      const Status made = store->Backup(wrong);
      EXPECT_EQ(made.fault(), Fault::kInvalidArgument) << wrong;
      EXPECT_TRUE(made.message().starts_with("folder: ")) << made.message();
    }
  }
  const Result<std::unique_ptr<RocksStore>> opened = RocksStore::Open({.path = backup});
  EXPECT_EQ(opened.status().fault(), Fault::kInvalidArgument);
  EXPECT_NE(opened.status().message().find("onced restore"), std::string::npos);
  const Result<FolderReport> stopped = VerifyFolder(folder.path());
  ASSERT_TRUE(stopped.ok()) << stopped.status().message();
  EXPECT_FALSE(stopped->is_backup);
  // And the other way about.
  EXPECT_EQ(RestoreBackup(folder.path(), folder.path("x")).fault(), Fault::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder.path("x")));
}

TEST(Backup, IsNotRestoredOverAnything) {
  const TempFolder folder;
  ASSERT_TRUE(Open(folder.path())->Backup(folder.path("backup")).ok());
  const std::string target = folder.path("target");
  fs::create_directory(target);
  WriteFile(target + "/mine", "precious");
  EXPECT_EQ(RestoreBackup(folder.path("backup"), target).fault(), Fault::kInvalidArgument);
  EXPECT_EQ(Listing(target), target + "/mine=precious\n");
  fs::remove(target + "/mine");
  EXPECT_TRUE(RestoreBackup(folder.path("backup"), target).ok()) << "an empty one is taken";
  // One that was cut short has no mark yet: it is not gone on from as if it were whole.
  fs::remove(target + "/high-water");
  EXPECT_EQ(RocksStore::Open({.path = target}).status().fault(), Fault::kCorruption);
}

TEST(Backup, IsReadToTheLastByte) {
  const TempFolder folder;
  const std::string backup = folder.path("backup");
  {
    const std::unique_ptr<RocksStore> store = Open(folder.path());
    Ledger ledger(store.get());
    for (int i = 0; i < 200; ++i) {
      const Result<Reply> claimed = ledger.Claim(KeyOf("k" + std::to_string(i)), kClaim);
      ASSERT_TRUE(ledger
                      .Complete(KeyOf("k" + std::to_string(i)),
                                {.fence = claimed->record->fence, .result = std::string(500, 'r')})
                      .ok());
    }
    ASSERT_TRUE(store->Backup(backup).ok());
  }
  const Result<FolderReport> whole = VerifyFolder(backup);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->records, 200u);
  EXPECT_EQ(whole->runs, 200u);
  size_t tables = 0;
  for (const auto& entry : fs::directory_iterator(backup + "/db")) {
    if (entry.path().extension() != ".sst") continue;
    ++tables;
    // A copy, for a table may be a link to the store's own.
    const std::string path = entry.path().string();
    const std::string bytes = ReadFile(path);
    for (const size_t at : {size_t{40}, bytes.size() / 3}) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 1);
      fs::remove(path);
      WriteFile(path, flipped);
      const Result<FolderReport> damaged = VerifyFolder(backup);
      EXPECT_EQ(damaged.status().fault(), Fault::kCorruption) << path << " at " << at;
    }
    fs::remove(path);
    EXPECT_FALSE(VerifyFolder(backup).ok()) << path << " is missing";
    WriteFile(path, bytes);
  }
  EXPECT_GE(tables, 2u);
  EXPECT_TRUE(VerifyFolder(backup).ok());
  fs::remove(backup + "/high-water");
  EXPECT_EQ(VerifyFolder(backup).status().fault(), Fault::kCorruption);
  EXPECT_FALSE(fs::exists(backup + "/high-water"));
}

// Each piece missing, as after a crash at that moment: found by a review, which had half a backup
// started as a data folder, and half a restore as a new one.
TEST(Backup, IsNothingWhenItWasCutShort) {
  const TempFolder folder;
  const std::string whole = folder.path("whole");
  {
    const std::unique_ptr<RocksStore> store = Open(folder.path());
    Ledger ledger(store.get());
    ASSERT_TRUE(ledger.Claim(KeyOf("k"), kClaim).ok());
    ASSERT_TRUE(store->Backup(whole).ok());
    EXPECT_FALSE(fs::exists(whole + ".unfinished"));
  }
  for (const char* missing : {"high-water", "files"}) {
    const std::string cut = folder.path(std::string("without-") + missing);
    fs::copy(whole, cut, fs::copy_options::recursive);
    fs::remove(cut + "/" + missing);
    EXPECT_FALSE(VerifyFolder(cut).ok()) << missing;
    EXPECT_FALSE(RestoreBackup(cut, folder.path("into")).ok()) << missing;
    EXPECT_FALSE(fs::exists(folder.path("into"))) << missing;
    EXPECT_FALSE(RocksStore::Open({.path = cut}).ok()) << missing;
  }
  const std::string half = folder.path("half");
  ASSERT_TRUE(RestoreBackup(whole, half).ok());
  WriteFile(half + "/restoring", "");
  EXPECT_NE(RocksStore::Open({.path = half}).status().message().find("cut short"),
            std::string::npos);
  const std::string early = folder.path("early");
  fs::create_directories(early + "/db");
  WriteFile(early + "/db/000015.sst.unfinished", "half a table");
  EXPECT_EQ(RocksStore::Open({.path = early}).status().fault(), Fault::kCorruption);
}

// A copy tool that leaves logs out made column families disagree, and nobody noticed.
TEST(Backup, MissesAFileThatHasNoChecksumOfItsOwn) {
  const TempFolder folder;
  const std::string backup = folder.path("backup");
  ASSERT_TRUE(Open(folder.path())->Backup(backup).ok());
  for (const auto& entry : fs::directory_iterator(backup + "/db")) {
    const std::string path = entry.path().string();
    const std::string bytes = ReadFile(path);
    fs::remove(path);
    EXPECT_FALSE(VerifyFolder(backup).ok()) << path << " is missing";
    EXPECT_FALSE(RestoreBackup(backup, folder.path("into")).ok()) << path;
    if (!bytes.empty()) {
      std::string flipped = bytes;
      flipped.back() = static_cast<char>(flipped.back() ^ 1);
      WriteFile(path, flipped);
      EXPECT_FALSE(VerifyFolder(backup).ok()) << path << " has another last byte";
    }
    fs::remove(path);
    WriteFile(path, bytes);
  }
  EXPECT_FALSE(fs::exists(folder.path("into")));
  EXPECT_TRUE(VerifyFolder(backup).ok());
}

TEST(Backup, IsNotMadeWhereItWouldBeDeletedOrCannotBeNamed) {
  const TempFolder folder;
  const std::unique_ptr<RocksStore> store = Open(folder.path());
  fs::create_directory_symlink(folder.path(), folder.path("link"));
  for (const std::string& wrong :
       {folder.path() + "/quarantine", folder.path() + "/db/in", folder.path("link") + "/in",
        folder.path("a\nb"), std::string("/"), folder.path("nul") + std::string(1, '\0') + "x"}) {
    EXPECT_EQ(store->Backup(wrong).fault(), Fault::kInvalidArgument) << wrong;
  }
  EXPECT_TRUE(store->Backup(folder.path("slash") + "/").ok());
  EXPECT_TRUE(VerifyFolder(folder.path("slash")).ok());
  EXPECT_EQ(RestoreBackup(folder.path("slash"), folder.path("slash") + "/db/in").fault(),
            Fault::kInvalidArgument);
  store->EndBackups();
  EXPECT_EQ(store->Backup(folder.path("late")).fault(), Fault::kUnavailable);
  EXPECT_FALSE(fs::exists(folder.path("late.unfinished"))) << "nothing is left of it";
  EXPECT_EQ(VerifyFolder(folder.path("nowhere")).status().fault(), Fault::kInvalidArgument);
}

// The standard library's copy says of a full disk that it failed.
TEST(SyncedFiles, TellAFullDiskFromAnotherFault) {
  const TempFolder folder;
  WriteFile(folder.path("from"), std::string(100'000, 'x'));
  std::filesystem::create_symlink("/dev/full", folder.path("to.unfinished"));
  EXPECT_EQ(CopyWhole(folder.path("from"), folder.path("to")).fault(), Fault::kNoSpace);
  EXPECT_EQ(CopyWhole(folder.path("missing"), folder.path("other")).fault(), Fault::kIoError);
  std::filesystem::remove(folder.path("to.unfinished"));
  EXPECT_TRUE(CopyWhole(folder.path("from"), folder.path("to"), 70'000).ok());
  EXPECT_EQ(std::filesystem::file_size(folder.path("to")), 70'000u);
}

}  // namespace
}  // namespace onced

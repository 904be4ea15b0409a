// SPDX-License-Identifier: MIT
// Where db/ is not simply a folder in the data folder, or is not there: a disk of its own, with
// what its file system puts there, or one that has not been mounted.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "engine/ledger.h"
#include "engine/rocks_store.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

Key KeyOf(const std::string& text) { return *Key::Make("default", "test", text); }

// Opens the store in the folder, claims `key` if there is one, and closes it.
Status OpenOnce(const std::string& path, const std::string& key = "",
                bool accept_data_loss = false) {
  Result<std::unique_ptr<RocksStore>> store =
      RocksStore::Open({.path = path, .accept_data_loss = accept_data_loss});
  if (!store.ok()) return store.status();
  Ledger ledger(store->get());
  if (key.empty()) return Status::Ok();
  const Result<Reply> reply =
      ledger.Claim(KeyOf(key), {.lease_ms = kLeaseMaxMs, .retention_ms = kRetentionDefaultMs});
  return reply.ok() ? Status::Ok() : reply.status();
}

bool Holds(const std::string& path, const std::string& key) {
  Result<std::unique_ptr<RocksStore>> store = RocksStore::Open({.path = path});
  if (!store.ok()) return false;
  Ledger ledger(store->get());
  const Result<FoundReply> found = ledger.Find(KeyOf(key));
  return found.ok() && found->record.has_value();
}

size_t FilesThatEndIn(const std::string& extension, const std::string& folder) {
  size_t count = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    count += entry.path().extension() == extension ? 1 : 0;
  }
  return count;
}

// A disk that was not mounted was taken for an empty database: a new one was made, and the mark
// told of the new one's MANIFEST. When the disk was back, and one of its tables damaged, the old
// MANIFEST was cut by that, and the tables it no longer named were deleted.
TEST(DataFolder, WithoutTheDatabaseThatWasThereIsRefusedAndLeftAlone) {
  TempFolder folder;
  const std::string db = folder.path() + "/db";
  ASSERT_TRUE(OpenOnce(folder.path(), "paid").ok());
  fs::rename(db, folder.path("away"));
  for (const bool mounted : {false, true}) {
    if (mounted) fs::create_directory(db);  // the mount point
    const Status refused = OpenOnce(folder.path());
    EXPECT_EQ(refused.fault(), Fault::kCorruption);
    EXPECT_NE(refused.message().find("is its disk mounted?"), std::string::npos)
        << refused.message();
    EXPECT_EQ(fs::exists(db), mounted);
    EXPECT_TRUE(!mounted || fs::is_empty(db));
  }
  fs::remove(db);
  fs::rename(folder.path("away"), db);
  EXPECT_TRUE(Holds(folder.path(), "paid"));
  fs::remove_all(db);
  EXPECT_TRUE(OpenOnce(folder.path(), "", /*accept_data_loss=*/true).ok());
}

// Every start but the first failed: no hard link leads from one file system to another.
TEST(DataFolder, MayHaveItsDatabaseOnAnotherFileSystem) {
  TempFolder folder;
  std::string other = "/dev/shm/onced-test-XXXXXX";
  if (mkdtemp(other.data()) == nullptr) GTEST_SKIP() << "nothing can be made in /dev/shm";
  struct stat here {};
  struct stat there {};
  fs::create_directories(folder.path());
  ASSERT_EQ(stat(folder.path().c_str(), &here), 0);
  ASSERT_EQ(stat(other.c_str(), &there), 0);
  if (here.st_dev == there.st_dev) {
    fs::remove_all(other);
    GTEST_SKIP() << "/dev/shm is where the temporary folders are";
  }
  fs::create_directory_symlink(other, folder.path() + "/db");
  EXPECT_TRUE(OpenOnce(folder.path(), "first").ok());
  const Status again = OpenOnce(folder.path(), "second");
  EXPECT_TRUE(again.ok()) << again.message();
  EXPECT_TRUE(Holds(folder.path(), "first"));
  EXPECT_TRUE(Holds(folder.path(), "second"));
  fs::remove_all(other);
}

TEST(DataFolder, MayBeANewFileSystemWithWhatThatHasInIt) {
  TempFolder folder;
  const std::string found = folder.path() + "/db/lost+found";
  fs::create_directories(found);
  const Status first = OpenOnce(folder.path(), "paid");
  EXPECT_TRUE(first.ok()) << first.message();
  EXPECT_TRUE(Holds(folder.path(), "paid"));
  EXPECT_TRUE(fs::exists(found));
}

// The cut was made before anybody knew whether it helps, and RocksDB deletes what a MANIFEST does
// not name.
TEST(DataFolder, KeepsTheTablesOfADatabaseWhoseManifestIsCut) {
  TempFolder folder;
  const std::string db = folder.path() + "/db";
  ASSERT_TRUE(OpenOnce(folder.path(), "paid").ok());
  ASSERT_TRUE(OpenOnce(folder.path(), "paid-too").ok());
  const size_t tables = FilesThatEndIn(".sst", db);
  ASSERT_GE(tables, 1U);
  std::string current;
  std::ifstream(db + "/CURRENT") >> current;
  std::ofstream(db + "/" + current, std::ios::app) << std::string(100, 'x');
  for (const auto& entry : fs::directory_iterator(db)) {
    if (entry.path().extension() == ".sst") {
      fs::resize_file(entry.path(), fs::file_size(entry.path()) - 1);
    }
  }
  const Status refused = OpenOnce(folder.path());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.fault(), Fault::kCorruption) << refused.message();
  EXPECT_EQ(FilesThatEndIn(".sst", folder.path() + "/quarantine"), tables);
}

}  // namespace
}  // namespace onced

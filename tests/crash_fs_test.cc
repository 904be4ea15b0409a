// SPDX-License-Identifier: MIT
// The disk that forgets, by itself: what was synced stays in every way of losing power, what was
// not goes in the way that was asked for, and calls fail when they are told to.
#include "tests/crash_fs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>

#include "tests/fixtures.h"

namespace onced {
namespace {

namespace fs = std::filesystem;
using rocksdb::FSWritableFile;
using rocksdb::IOStatus;

class Disk {
 public:
  Disk() : disk(folder.path()) { fs::create_directories(Path("db")); }

  std::string Path(const std::string& name) const { return folder.path() + "/" + name; }
  rocksdb::FileSystem& files() { return *disk.env()->GetFileSystem(); }
  std::unique_ptr<FSWritableFile> Open(const std::string& name) {
    std::unique_ptr<FSWritableFile> file;
    const IOStatus opened = files().NewWritableFile(Path(name), {}, &file, nullptr);
    EXPECT_TRUE(opened.ok()) << opened.ToString();
    return file;
  }
  IOStatus Append(FSWritableFile& file, const std::string& bytes) {
    return file.Append(bytes, {}, nullptr);
  }
  IOStatus Sync(FSWritableFile& file) { return file.Sync({}, nullptr); }
  // As the engine does it, by hand.
  void SyncOwnEntries() {
    const int fd = open(folder.path().c_str(), O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(fsync(fd), 0);
    close(fd);
  }
  IOStatus SyncFolder() {
    std::unique_ptr<rocksdb::FSDirectory> entries;
    EXPECT_TRUE(files().NewDirectory(Path("db"), {}, &entries, nullptr).ok());
    return entries->FsyncWithDirOptions({}, nullptr, rocksdb::DirFsyncOptions());
  }
  // A file that is there for good, with `synced`, and with `more` that is not.
  void Put(const std::string& name, const std::string& synced, const std::string& more = "") {
    const auto file = Open(name);
    EXPECT_TRUE(Append(*file, synced).ok() && Sync(*file).ok() && SyncFolder().ok());
    EXPECT_TRUE(Append(*file, more).ok());
    EXPECT_TRUE(file->Close({}, nullptr).ok()) << "which is no sync";
  }
  std::string Read(const std::string& name) const { return ReadFile(Path(name)); }
  bool Has(const std::string& name) const { return fs::exists(Path(name)); }
  void Lose(Loss loss) {
    disk.CutNow();
    disk.Lose(loss, random);
  }

  TempFolder folder;
  CrashDisk disk;
  std::mt19937_64 random{7};
};

TEST(CrashFs, KeepsWhatWasSyncedInEveryWay) {
  const std::string synced(9'000, 's');
  for (int loss = 0; loss < kLosses; ++loss) {
    Disk here;
    WriteFile(here.Path("high-water"), "mark");
    here.SyncOwnEntries();
    here.Put("db/a", synced, std::string(20'000, 'u'));
    here.Lose(static_cast<Loss>(loss));
    EXPECT_EQ(here.Read("db/a").substr(0, synced.size()), synced)
        << NameOf(static_cast<Loss>(loss));
  }
}

// Each way, again and again, until what it may leave has been seen.
TEST(CrashFs, LosesBytesInItsWay) {
  const auto left = [](Loss loss, const auto& seen) {
    for (uint64_t seed = 0; seed < 200; ++seed) {
      Disk here;
      here.random.seed(seed);
      WriteFile(here.Path("high-water"), "");
      here.SyncOwnEntries();
      here.Put("db/a", "synced", std::string(20'000, 'u'));
      here.Lose(loss);
      if (seen(here.Read("db/a").substr(6))) return true;
    }
    return false;
  };
  const std::string all(20'000, 'u');
  const auto none = [](const std::string& rest) { return rest.empty(); };
  const auto some = [&](const std::string& rest) {
    return !rest.empty() && rest.size() < all.size() && all.starts_with(rest);
  };
  EXPECT_TRUE(left(Loss::kAll, none) && !left(Loss::kAll, some));
  EXPECT_TRUE(left(Loss::kBytes, none) && !left(Loss::kBytes, some));
  EXPECT_TRUE(left(Loss::kSuffix, some));
  EXPECT_TRUE(left(Loss::kSizes,
                   [&](const std::string& rest) { return rest == std::string(20'000, '\0'); }));
  EXPECT_TRUE(left(Loss::kEntries, [&](const std::string& rest) { return rest == all; }));
  EXPECT_TRUE(left(Loss::kSector, [&](const std::string& rest) {
    return !rest.empty() && rest.size() < all.size() && !all.starts_with(rest) &&
           (rest.size() + 6) % 512 == 0;
  }));
  // A page that is there behind one that is not.
  EXPECT_TRUE(left(Loss::kPages, [&](const std::string& rest) {
    const size_t gap = rest.find('\0');
    return gap != std::string::npos && rest.find("uuuu", gap) != std::string::npos;
  }));
}

TEST(CrashFs, UndoesEntriesOfAFolderThatWasNotSynced) {
  Disk here;
  here.SyncOwnEntries();
  here.Put("db/CURRENT", "old");
  here.Put("db/gone", "gone");
  here.Put("db/replaced", "before");
  {
    const auto made = here.Open("db/made");
    EXPECT_TRUE(here.Append(*made, "new").ok() && here.Sync(*made).ok()) << "but not its folder";
    const auto again = here.Open("db/replaced");
    EXPECT_TRUE(here.Append(*again, "after").ok() && here.Sync(*again).ok());
  }
  EXPECT_TRUE(
      here.files().RenameFile(here.Path("db/made"), here.Path("db/CURRENT"), {}, nullptr).ok());
  EXPECT_TRUE(here.files().DeleteFile(here.Path("db/gone"), {}, nullptr).ok());
  EXPECT_EQ(here.Read("db/CURRENT"), "new");
  EXPECT_EQ(here.Read("db/replaced"), "after");
  EXPECT_FALSE(here.Has("db/gone"));
  here.Lose(Loss::kEntries);
  EXPECT_EQ(here.Read("db/CURRENT"), "old");
  EXPECT_EQ(here.Read("db/replaced"), "before");
  EXPECT_EQ(here.Read("db/gone"), "gone");
  EXPECT_FALSE(here.Has("db/made"));
}

TEST(CrashFs, KeepsEntriesOfAFolderThatWasSynced) {
  Disk here;
  here.SyncOwnEntries();
  here.Put("db/a", "a");
  here.Put("db/b", "b");
  EXPECT_TRUE(here.files().RenameFile(here.Path("db/a"), here.Path("db/c"), {}, nullptr).ok());
  EXPECT_TRUE(here.files().DeleteFile(here.Path("db/b"), {}, nullptr).ok());
  EXPECT_TRUE(here.SyncFolder().ok());
  here.Lose(Loss::kAll);
  EXPECT_EQ(here.Read("db/c"), "a");
  EXPECT_FALSE(here.Has("db/a") || here.Has("db/b"));
}

TEST(CrashFs, LosesTheFolderItselfWhenItsEntriesWereNotSynced) {
  Disk here;
  here.Put("db/a", "a");
  here.Lose(Loss::kEntries);
  EXPECT_FALSE(here.Has("db"));
}

TEST(CrashFs, SeesWhatIsWrittenByHand) {
  Disk here;
  const int fd = open(here.Path("high-water").c_str(), O_RDWR | O_CREAT, 0600);
  const int entries = open(here.folder.path().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(pwrite(fd, "one", 3, 0), 3);
  ASSERT_EQ(fdatasync(fd), 0);
  ASSERT_EQ(fsync(entries), 0);
  ASSERT_EQ(pwrite(fd, "two", 3, 0), 3);
  here.disk.CutNow();
  EXPECT_NE(fdatasync(fd), 0) << "without power";
  here.disk.Lose(Loss::kAll, here.random);
  EXPECT_EQ(here.Read("high-water"), "one");
  close(fd);
  close(entries);
}

TEST(CrashFs, ChangesNothingWithoutPower) {
  Disk here;
  const auto file = here.Open("db/a");
  here.disk.CutAt(2);
  EXPECT_TRUE(here.Append(*file, "a").ok());
  EXPECT_FALSE(here.disk.IsCut());
  EXPECT_FALSE(here.Append(*file, "b").ok());
  EXPECT_TRUE(here.disk.IsCut() && here.disk.cut_at() <= CrashDisk::Clock::now());
  EXPECT_FALSE(here.Sync(*file).ok());
  EXPECT_FALSE(here.SyncFolder().ok());
  EXPECT_FALSE(here.files().DeleteFile(here.Path("db/a"), {}, nullptr).ok());
  EXPECT_EQ(here.Read("db/a"), "a");
}

TEST(CrashFs, LiesWhenToldTo) {
  Disk here;
  here.SyncOwnEntries();
  const auto file = here.Open("db/a");
  EXPECT_TRUE(here.Append(*file, "true").ok() && here.Sync(*file).ok() && here.SyncFolder().ok());
  here.disk.Lie();
  EXPECT_TRUE(here.Append(*file, "lost").ok() && here.Sync(*file).ok());
  here.Lose(Loss::kBytes);
  EXPECT_EQ(here.Read("db/a"), "true");
}

TEST(CrashFs, KnowsWhatOfTheLogsWouldStay) {
  Disk here;
  here.SyncOwnEntries();
  const auto log = here.Open("db/1.log");
  const auto table = here.Open("db/2.sst");
  EXPECT_TRUE(here.Append(*log, "one").ok() && here.Append(*table, "table").ok());
  EXPECT_EQ(here.disk.LogBytes(), 3u);
  EXPECT_TRUE(here.Sync(*log).ok() && here.Sync(*table).ok());
  EXPECT_TRUE(here.disk.LogSyncs().empty()) << "its entry would not stay";
  const auto before = CrashDisk::Clock::now();
  EXPECT_TRUE(here.SyncFolder().ok());
  ASSERT_EQ(here.disk.LogSyncs().size(), 1u);
  const CrashDisk::LogSync sync = here.disk.LogSyncs()[0];
  EXPECT_EQ(sync.bytes, 3u);
  EXPECT_TRUE(before <= sync.begun && sync.begun <= sync.ended);
  EXPECT_TRUE(here.Append(*log, "two").ok());
  const auto next = here.Open("db/3.log");
  EXPECT_TRUE(here.Append(*next, "next").ok() && here.Sync(*next).ok() && here.SyncFolder().ok());
  EXPECT_EQ(here.disk.LogSyncs().size(), 1u) << "there would be a hole";
  here.disk.Break(Trouble::kSync, 2, false);
  EXPECT_TRUE(here.Sync(*log).ok());
  EXPECT_EQ(here.disk.LogSyncs().back().bytes, 10u);
  EXPECT_TRUE(here.Append(*next, "lost").ok() && here.Sync(*next).IsIOError());
  EXPECT_TRUE(here.Append(*next, "more").ok() && here.Sync(*next).ok());
  EXPECT_EQ(here.disk.LogSyncs().back().bytes, 10u);
  EXPECT_EQ(here.disk.LogBytes(), 18u);
  EXPECT_EQ(here.disk.chances(), 2u) << "syncs of files until it failed as it was told";
}

// Kernels take for written what they could not write, and say so at the next sync.
TEST(CrashFs, HasLostForGoodWhatAFailedSyncWasToWrite) {
  for (int loss = 0; loss < kLosses; ++loss) {
    Disk here;
    WriteFile(here.Path("high-water"), "");
    here.SyncOwnEntries();
    here.Put("db/other", "other");
    const auto file = here.Open("db/a");
    EXPECT_TRUE(here.Append(*file, "one").ok() && here.Sync(*file).ok() && here.SyncFolder().ok());
    EXPECT_TRUE(here.Append(*file, "lost").ok());
    here.disk.Break(Trouble::kSync, 1, false);
    EXPECT_TRUE(here.Sync(*file).IsIOError());
    EXPECT_TRUE(here.Sync(*file).ok()) << "which says nothing of those bytes";
    EXPECT_EQ(here.Read("db/a"), "onelost") << "they are in the page cache";
    EXPECT_TRUE(here.Append(*file, "two").ok() && here.Sync(*file).ok());
    here.Lose(static_cast<Loss>(loss));
    EXPECT_EQ(here.Read("db/a"), "one" + std::string(4, '\0') + "two");
    EXPECT_EQ(here.Read("db/other"), "other");
  }
}

TEST(CrashFs, KeepsNoEntryOfAFolderWhoseSyncFailed) {
  Disk here;
  WriteFile(here.Path("high-water"), "");
  here.SyncOwnEntries();
  here.Put("db/before", "before");
  const auto file = here.Open("db/a");
  EXPECT_TRUE(here.Append(*file, "one").ok() && here.Sync(*file).ok());
  here.disk.Break(Trouble::kEntrySync, 1, false);
  EXPECT_TRUE(here.SyncFolder().IsIOError());
  EXPECT_TRUE(here.SyncFolder().ok()) << "which says nothing of that entry";
  here.Lose(Loss::kAll);
  EXPECT_EQ(here.Read("db/before"), "before");
  EXPECT_FALSE(std::filesystem::exists(here.Path("db/a")));
  const auto again = here.Open("db/a");
  EXPECT_TRUE(here.Append(*again, "two").ok() && here.Sync(*again).ok() && here.SyncFolder().ok());
  here.Lose(Loss::kAll);
  EXPECT_EQ(here.Read("db/a"), "two") << "the power has come back, and with it another kernel";
}

TEST(CrashFs, HasLostForGoodAMarkWhoseSyncFailed) {
  Disk here;
  const int fd = open(here.Path("high-water").c_str(), O_RDWR | O_CREAT, 0600);
  const auto write_page = [&](off_t page, char fill) {
    const std::string bytes(4096, fill);
    return pwrite(fd, bytes.data(), bytes.size(), page * 4096) == 4096;
  };
  here.SyncOwnEntries();
  EXPECT_TRUE(write_page(0, 'a') && write_page(1, 'b') && fdatasync(fd) == 0);
  EXPECT_TRUE(write_page(1, 'c'));
  here.disk.Break(Trouble::kSync, 1, false);
  EXPECT_NE(fdatasync(fd), 0);
  EXPECT_EQ(fdatasync(fd), 0);
  EXPECT_TRUE(write_page(0, 'd') && fdatasync(fd) == 0);
  here.Lose(Loss::kSuffix);
  EXPECT_TRUE(here.Read("high-water") == std::string(4096, 'd') + std::string(4096, 'b'));
  close(fd);
}

TEST(CrashFs, FailsTheCallItIsTold) {
  Disk here;
  const auto file = here.Open("db/a");
  here.disk.Break(Trouble::kSync, 2, false);
  EXPECT_TRUE(here.Sync(*file).ok());
  EXPECT_TRUE(here.Sync(*file).IsIOError());
  EXPECT_TRUE(here.Sync(*file).ok()) << "it was to fail once";
  here.disk.Break(Trouble::kNoSpace, 1, true);
  EXPECT_TRUE(here.Append(*file, "a").IsNoSpace());
  EXPECT_TRUE(here.Append(*file, "a").IsNoSpace());
  EXPECT_TRUE(here.Sync(*file).ok());
  here.disk.Break(Trouble::kShort, 1, false);
  EXPECT_TRUE(here.Append(*file, "half").IsIOError());
  EXPECT_EQ(here.Read("db/a"), "ha");
  here.disk.Break(Trouble::kEntrySync, 1, false);
  EXPECT_TRUE(here.SyncFolder().IsIOError());
  here.disk.Break(Trouble::kRead, 1, false);
  std::string bytes;
  EXPECT_TRUE(rocksdb::ReadFileToString(&here.files(), here.Path("db/a"), &bytes).IsIOError());
  here.disk.Mend();
  EXPECT_EQ(here.disk.troubles(), 6u);
  EXPECT_TRUE(rocksdb::ReadFileToString(&here.files(), here.Path("db/a"), &bytes).ok());
}

}  // namespace
}  // namespace onced

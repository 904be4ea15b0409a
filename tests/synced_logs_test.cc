// SPDX-License-Identifier: MIT
// The order in which logs become durable, and leave: nothing is in a log before all of the one
// before it is synced, a log counts as synced with its entry in the folder, and leaves the mark
// before it leaves the disk.
#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/rocks_synced_logs.h"
#include "tests/fixtures.h"
#include "tests/log_records.h"

namespace onced {
namespace {

using Steps = std::vector<std::string>;

// What is asked of the files below.
struct Told {
  void Add(const std::string& step) {
    const std::scoped_lock lock(adding);
    steps.push_back(step);
  }
  std::mutex adding;
  Steps steps;
  bool syncs_fail = false;
  bool appends_fail = false;
  std::function<void()> while_syncing;
};

class ToldFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  ToldFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string name, Told* told)
      : FSWritableFileOwnerWrapper(std::move(file)), name_(std::move(name)), told_(told) {}
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& /*options*/,
                         rocksdb::IODebugContext* /*debug*/) override {
    told_->Add("sync " + name_);
    const auto meanwhile = std::exchange(told_->while_syncing, nullptr);
    if (meanwhile) meanwhile();
    return told_->syncs_fail ? rocksdb::IOStatus::IOError("broken") : rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    if (told_->appends_fail) return rocksdb::IOStatus::NoSpace("full");
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    told_->Add("close " + name_);
    return FSWritableFileOwnerWrapper::Close(options, debug);
  }

 private:
  const std::string name_;
  Told* const told_;
};

class ToldFiles : public rocksdb::FileSystemWrapper {
 public:
  explicit ToldFiles(Told* told) : FileSystemWrapper(rocksdb::FileSystem::Default()), told_(told) {}
  const char* Name() const override { return "ToldFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    told_->Add("begin " + name.substr(name.rfind('/') + 1));
    rocksdb::IOStatus made = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    *file = std::make_unique<ToldFile>(std::move(*file), name.substr(name.rfind('/') + 1), told_);
    return made;
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    told_->Add("delete " + name.substr(name.rfind('/') + 1));
    return FileSystemWrapper::DeleteFile(name, options, debug);
  }

 private:
  Told* const told_;
};

class Logs : public testing::Test {
 protected:
  rocksdb::IOStatus Begin(const std::string& name) {
    return files->NewWritableFile(folder.path(name), {}, &file, nullptr);
  }
  void Append(const std::string& bytes) { ASSERT_TRUE(file->Append(bytes, {}, nullptr).ok()); }
  void Write(const std::string& payload) { Append(HeadOfRecord(payload.size()) + payload); }
  std::vector<std::pair<uint64_t, uint64_t>> List() const {
    std::vector<std::pair<uint64_t, uint64_t>> list;
    for (const LogExtent& log : logs->List()) list.emplace_back(log.number, log.bytes);
    return list;
  }

  TempFolder folder;
  Told told;
  bool forgets = true;
  const std::shared_ptr<SyncedLogs> logs = std::make_shared<SyncedLogs>();
  const std::shared_ptr<rocksdb::FileSystem> files =
      logs->Watch(std::make_shared<ToldFiles>(&told), [this](uint64_t number) {
        told.Add("forget " + std::to_string(number));
        return forgets ? Status::Ok() : Status::IoError("the mark cannot be written");
      });
  std::unique_ptr<rocksdb::FSWritableFile> file;
};

// RocksDB writes a record of more than a megabyte in pieces, and the gate syncs whenever it likes:
// after a crash the folder was refused for a record that nobody had been promised.
TEST_F(Logs, CountAsSyncedUpToTheEndOfARecord) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  Append(HeadOfRecord(5) + "hea");
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 10}}));
  EXPECT_EQ(CheckLogs(folder.path(""), logs->List()).message(), "");
  Append("d!" + HeadOfRecord(1));
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 22}}));
  EXPECT_EQ(CheckLogs(folder.path(""), logs->List()).message(), "");
}

TEST_F(Logs, TakeNothingThatIsNoRecord) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  std::string odd = HeadOfRecord(0);
  odd.back() = 5;  // a log that is used again
  EXPECT_TRUE(file->Append(odd, {}, nullptr).IsCorruption());
  EXPECT_TRUE(file->Append(HeadOfRecord(0), {}, nullptr).IsCorruption())
      << "nor anything behind it";
}

TEST_F(Logs, AreSyncedBeforeTheNextOneIsBegun) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  const auto first = std::move(file);
  ASSERT_TRUE(Begin("000009.log").ok());
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "sync 000004.log", "begin 000009.log"}));
}

TEST_F(Logs, AreNotBegunWhenTheOneBeforeCannotBeSynced) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  const auto first = std::move(file);
  told.syncs_fail = true;
  EXPECT_FALSE(Begin("000009.log").ok());
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "sync 000004.log"}));
}

// RocksDB asks once for every family that it flushes; when the disk failed one of these, the next
// one ended the process.
TEST_F(Logs, AskTheDiskForNothingThatIsSynced) {
  ASSERT_TRUE(Begin("000004.log").ok());
  EXPECT_TRUE(file->Sync({}, nullptr).ok()) << "there is nothing in it";
  Write("abc");
  const auto first = std::move(file);
  ASSERT_TRUE(Begin("000009.log").ok());
  told.syncs_fail = true;
  EXPECT_TRUE(first->Sync({}, nullptr).ok());
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "sync 000004.log", "begin 000009.log"}));
}

// The same, of a log that had found no room before.
TEST_F(Logs, AskTheDiskForNothingThatIsSyncedBehindAFailedAppend) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  told.appends_fail = true;
  EXPECT_TRUE(file->Append(HeadOfRecord(0), {}, nullptr).IsNoSpace());
  told.appends_fail = false;
  const auto first = std::move(file);
  ASSERT_TRUE(Begin("000009.log").ok());
  told.syncs_fail = true;
  EXPECT_TRUE(first->Sync({}, nullptr).ok());
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "sync 000004.log", "begin 000009.log"}));
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 10}}));
  told.syncs_fail = false;
  EXPECT_TRUE(first->Append(HeadOfRecord(0), {}, nullptr).ok());
  EXPECT_TRUE(first->Sync({}, nullptr).ok());
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 10}})) << "nobody knows where that is in the file";
}

// The disk may have been done with the file before.
TEST_F(Logs, CountNothingAsSyncedThatCameWhileTheSyncRan) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  told.while_syncing = [this] { Write("de"); };
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 10}}));
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "sync 000004.log", "sync 000004.log"}));
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 19}}));
}

TEST_F(Logs, AreNotClosedWhileOneIsSynced) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  const auto first = std::move(file);
  std::thread closing;
  told.while_syncing = [&] {
    closing = std::thread([&] { EXPECT_TRUE(first->Close({}, nullptr).ok()); });
    // real time: enough for a close that does not wait to come first
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    told.Add("synced 000004.log");
  };
  ASSERT_TRUE(Begin("000009.log").ok());
  closing.join();
  EXPECT_EQ(std::erase(told.steps, "begin 000009.log"), 1U);
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "sync 000004.log", "synced 000004.log",
                               "close 000004.log"}));
}

TEST_F(Logs, AreLeftAloneOnceRocksDBHasClosedThem) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  const auto first = std::move(file);
  ASSERT_TRUE(first->Close({}, nullptr).ok());
  ASSERT_TRUE(Begin("000009.log").ok());
  EXPECT_EQ(told.steps, Steps({"begin 000004.log", "close 000004.log", "begin 000009.log"}));
}

// RocksDB makes a log while it holds nothing, and may not know it yet when it syncs "all" of them.
TEST_F(Logs, AreTheNewestOnlyWithSomethingInThem) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  const auto first = std::move(file);
  ASSERT_TRUE(Begin("000009.log").ok());
  const uint64_t newest = logs->Newest();
  EXPECT_EQ(newest, 4U);
  Write("f");
  const auto second = std::move(file);
  ASSERT_TRUE(Begin("000011.log").ok()) << "which syncs the one before";
  logs->SyncedUpTo(newest);
  EXPECT_EQ(List(), decltype(List())({{4, 10}}))
      << "of the other one no entry is known to be synced";
}

TEST_F(Logs, AreSyncedBeforeTheNextOneAlsoWhenAnotherWasGivenUp) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  const auto first = std::move(file);
  ASSERT_TRUE(Begin("000009.log").ok());
  file.reset();
  EXPECT_TRUE(first->Append(HeadOfRecord(0), {}, nullptr).ok());
  told.steps.clear();
  ASSERT_TRUE(Begin("000011.log").ok());
  EXPECT_EQ(told.steps, Steps({"sync 000004.log", "begin 000011.log"}));
}

// What the kernel could not write it does not try again, and calls the next sync a success.
TEST_F(Logs, CountNoMoreAsSyncedAfterASyncThatFailed) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  Write("lost");
  told.syncs_fail = true;
  EXPECT_FALSE(file->Sync({}, nullptr).ok());
  EXPECT_FALSE(file->Sync({}, nullptr).ok()) << "it is not known to be there";
  told.syncs_fail = false;
  EXPECT_FALSE(file->Sync({}, nullptr).ok()) << "the kernel would say so, and know better";
  const auto first = std::move(file);
  EXPECT_FALSE(Begin("000009.log").ok());
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 10}}));
}

TEST_F(Logs, CountAsSyncedWithWhatWasThereBefore) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  EXPECT_TRUE(List().empty());
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  EXPECT_TRUE(List().empty()) << "its entry in the folder may not be";
  const uint64_t newest = logs->Newest();
  Write("de");
  logs->SyncedUpTo(newest);
  EXPECT_EQ(List(), decltype(List())({{4, 10}}));
  const auto first = std::move(file);
  ASSERT_TRUE(Begin("000009.log").ok());
  Write("f");
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  logs->SyncedUpTo(newest);
  EXPECT_EQ(List(), decltype(List())({{4, 19}})) << "the newer one came after that sync had begun";
  logs->SyncedUpTo(logs->Newest());
  EXPECT_EQ(List(), decltype(List())({{4, 19}, {9, 8}}));
}

TEST_F(Logs, LeaveTheMarkBeforeTheDisk) {
  ASSERT_TRUE(Begin("000004.log").ok());
  Write("abc");
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  logs->SyncedUpTo(logs->Newest());
  told.steps.clear();
  forgets = false;
  EXPECT_FALSE(files->DeleteFile(folder.path("000004.log"), {}, nullptr).ok());
  EXPECT_EQ(told.steps, Steps({"forget 4"})) << "it stays";
  forgets = true;
  EXPECT_TRUE(files->DeleteFile(folder.path("000004.log"), {}, nullptr).ok());
  EXPECT_EQ(told.steps, Steps({"forget 4", "forget 4", "delete 000004.log"}));
  EXPECT_TRUE(List().empty());
}

TEST_F(Logs, AreNotWhatElseIsThere) {
  ASSERT_TRUE(Begin("000005.sst").ok());
  Write("abc");
  ASSERT_TRUE(Begin("000006.sst").ok());
  EXPECT_TRUE(files->DeleteFile(folder.path("000005.sst"), {}, nullptr).ok());
  EXPECT_EQ(told.steps, Steps({"begin 000005.sst", "begin 000006.sst", "delete 000005.sst"}));
}

}  // namespace
}  // namespace onced

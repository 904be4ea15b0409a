// SPDX-License-Identifier: MIT
// An opening that fails half way has begun a MANIFEST that nothing goes by. What is known of the
// one that still counts must not be forgotten over it.
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/high_water.h"
#include "engine/rocks_manifest.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

// While it is set, no file gets the name CURRENT.
class UnnamingFiles : public rocksdb::FileSystemWrapper {
 public:
  explicit UnnamingFiles(const std::atomic<bool>* unnaming)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), unnaming_(unnaming) {}
  const char* Name() const override { return "UnnamingFiles"; }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (*unnaming_ && to.ends_with("/CURRENT")) return rocksdb::IOStatus::IOError("broken");
    return FileSystemWrapper::RenameFile(from, to, options, debug);
  }

 private:
  const std::atomic<bool>* const unnaming_;
};

class Manifest : public testing::Test {
 protected:
  Manifest() {
    here.options.env = env.get();
    here.Reopen();
    (void)Value(here->Claim(K("k"), LongClaim()));
    Must(here.store->Flush());
    here.Close();
    path = here.folder.path() + "/db/" + Current();
  }
  std::string Current() const {
    std::string current = ReadFile(here.folder.path() + "/db/CURRENT");
    current.pop_back();
    return current;
  }
  HighWaterMark Mark() const {
    return *Value(HighWater::Open(here.folder.path() + "/high-water"))->mark();
  }
  Status Open() { return StatusOf(RocksStore::Open(here.options)); }
  // Twice, as whoever sees it fail tries once more.
  void FailToOpen() {
    const uint64_t known = Mark().manifest.number;
    unnaming = true;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(FaultOf(Open()), Fault::kIoError);
    unnaming = false;
    ASSERT_NE(Mark().manifest.number, known) << "it has begun none";
    ASSERT_EQ(here.folder.path() + "/db/" + Current(), path);
  }

  std::atomic<bool> unnaming{false};
  const std::unique_ptr<rocksdb::Env> env =
      rocksdb::NewCompositeEnv(std::make_shared<UnnamingFiles>(&unnaming));
  LedgerInAFolder here;
  std::string path;
};

TEST_F(Manifest, IsStillThereWhenAnOpeningHasFailed) {
  FailToOpen();
  here.Reopen();
  EXPECT_EQ(Value(here->Find(K("k"))).record->state, State::kInFlight);
}

// The mark told of the MANIFEST that was begun, and that the other had lost its end went unseen.
TEST_F(Manifest, ThatLostWhatWasSyncedIsRefusedAlsoWhenAnOpeningHasFailed) {
  FailToOpen();
  fs::resize_file(path, fs::file_size(path) - 1);
  const Status refused = Open();
  ASSERT_EQ(FaultOf(refused), Fault::kCorruption);
  EXPECT_NE(refused.message().find("were synced"), std::string::npos) << refused.message();
}

// As a MANIFEST is left that could not be written on, when the power goes before CURRENT names the
// one after it.
TEST_F(Manifest, WhoseUnsyncedEndWasTornIsReadAlsoWhenAnOpeningHasFailed) {
  FailToOpen();
  const std::string whole = ReadFile(path);
  // A record as the file begins with one (a checksum of 4 bytes, a length of 2, a type of 1, and so
  // many bytes), with one of them wrong.
  const size_t length = static_cast<uint8_t>(whole[4]) + 256U * static_cast<uint8_t>(whole[5]);
  std::string torn = whole.substr(0, 7 + length);
  torn.back() = static_cast<char>(torn.back() ^ 1);
  WriteFile(path, whole + torn);
  const Status opened = Open();
  EXPECT_TRUE(opened.ok()) << opened.message();
  here.Reopen();
  EXPECT_EQ(Value(here->Find(K("k"))).record->state, State::kInFlight);
}

TEST(ManifestExtent, KeepsWhatIsKnownOfTheOneThatCounts) {
  const ManifestExtent first = ManifestExtent{}.With(5, 100, 0);
  EXPECT_EQ(first.BytesOf(5), 100U);
  EXPECT_EQ(first.BytesOf(0), std::nullopt);
  const ManifestExtent begun = first.With(8, 30, 5).With(8, 40, 5).With(9, 50, 5);
  EXPECT_EQ(begun.BytesOf(5), 100U);
  EXPECT_EQ(begun.BytesOf(8), std::nullopt) << "nothing ever went by it";
  EXPECT_EQ(begun.BytesOf(9), 50U);
  const ManifestExtent grown = begun.With(9, 60, 9).With(12, 10, 9);
  EXPECT_EQ(grown.BytesOf(9), 60U);
  EXPECT_EQ(grown.BytesOf(5), std::nullopt);
  // Another database in its place.
  EXPECT_EQ(grown.With(1, 20, 0).BytesOf(9), std::nullopt);
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Keyspace: a turn is seen by itself, reaches the disk whole or not at all, and what is dead or
// flushed is gone at once.
#include "engine/keyspace.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "tests/fixtures.h"

namespace onced {
namespace {

class KeyspaceTest : public testing::Test {
 protected:
  KeyspaceTest() { Open(); }
  void Open() {
    keyspace_.reset();
    here_.Reopen();
    keyspace_ = here_.store->NewKeyspace();
    keyspace_->SetNow(1'000);
    space_ = Value(keyspace_->Open("default", 0));
  }
  void Put(const std::string& name, const std::string& bytes, int64_t dead_at_ms = kNeverMs) {
    keyspace_->Put(space_, name, ValueType::kString, dead_at_ms, bytes);
  }
  std::string Get(const std::string& name) {
    const Entry* const entry = Value(keyspace_->Load(space_, name));
    return entry == nullptr ? "(none)" : std::string(entry->bytes);
  }
  std::map<std::string, std::string> All(size_t at_once = 1) {
    std::map<std::string, std::string> all;
    uint32_t slot = 0;
    while (slot < Keyspace::kSlots) {
      slot = Value(
          keyspace_->Scan(space_, slot, at_once, [&](std::string_view name, const Entry& entry) {
            EXPECT_TRUE(all.emplace(name, entry.bytes).second) << "twice: " << name;
          }));
    }
    return all;
  }

  LedgerInAFolder here_;
  std::unique_ptr<Keyspace> keyspace_;
  Keyspace::Space space_ = 0;
};

TEST_F(KeyspaceTest, KeepsWhatWasCommittedAndNothingElse) {
  Put("a", "1");
  Put("", "empty name");
  Put(std::string("\0\xff", 2), std::string("\0\xff", 2));
  EXPECT_EQ(Get("a"), "1") << "the turn sees itself";
  (void)Value(keyspace_->Commit());
  Put("a", "2");
  keyspace_->Erase(space_, "");
  keyspace_->Abandon();
  EXPECT_EQ(Get("a"), "1");
  Put("b", "never committed");
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get(""), "empty name");
  EXPECT_EQ(Get(std::string("\0\xff", 2)), std::string("\0\xff", 2));
  EXPECT_EQ(Get("b"), "(none)");
}

TEST_F(KeyspaceTest, HoldsWhatIsDeadForAbsent) {
  Put("a", "1", 2'000);
  (void)Value(keyspace_->Commit());
  keyspace_->SetNow(1'999);
  EXPECT_EQ(Get("a"), "1");
  keyspace_->SetNow(2'000);
  EXPECT_EQ(Get("a"), "(none)");
  EXPECT_TRUE(All().empty());
  EXPECT_EQ(Value(keyspace_->Count(space_)), 0u);
}

TEST_F(KeyspaceTest, KeepsDatabasesAndTenantsApart) {
  const Keyspace::Space other = Value(keyspace_->Open("default", 1));
  const Keyspace::Space another = Value(keyspace_->Open("tenant", 0));
  Put("a", "0");
  keyspace_->Put(other, "a", ValueType::kString, kNeverMs, "1");
  keyspace_->Put(another, "a", ValueType::kHash, kNeverMs, "2");
  (void)Value(keyspace_->Commit());
  EXPECT_EQ(Get("a"), "0");
  EXPECT_EQ(Value(keyspace_->Load(other, "a"))->bytes, "1");
  EXPECT_EQ(Value(keyspace_->Load(another, "a"))->type, ValueType::kHash);
  keyspace_->Flush(other);
  (void)Value(keyspace_->Commit());
  EXPECT_EQ(Get("a"), "0");
  EXPECT_EQ(Value(keyspace_->Load(other, "a")), nullptr);
  EXPECT_NE(Value(keyspace_->Load(another, "a")), nullptr);
}

TEST_F(KeyspaceTest, EmptiesADatabaseAtOnceAndForGood) {
  for (int i = 0; i < 500; ++i) Put("k" + std::to_string(i), "v");
  (void)Value(keyspace_->Commit());
  keyspace_->Flush(space_);
  EXPECT_EQ(Get("k1"), "(none)");
  Put("k1", "new");
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"k1", "new"}}));
  keyspace_->Abandon();
  EXPECT_EQ(All().size(), 500u) << "an abandoned flush";
  keyspace_->Flush(space_);
  Put("k2", "new");
  (void)Value(keyspace_->Commit());
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"k2", "new"}}));
  Open();
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"k2", "new"}}));
}

TEST_F(KeyspaceTest, GoesBackToAMark) {
  Put("a", "1");
  Put("b", "1");
  keyspace_->Mark();
  Put("a", "2");
  Put("a", "3");
  keyspace_->Erase(space_, "b");
  Put("c", "1");
  keyspace_->Flush(space_);
  Put("d", "1");
  keyspace_->GoBack();
  const std::map<std::string, std::string> before = {{"a", "1"}, {"b", "1"}};
  EXPECT_EQ(All(), before);
  (void)Value(keyspace_->Commit());
  Open();
  EXPECT_EQ(All(), before);
}

// A name that the turn had not touched before the mark is as it is on the disk.
TEST_F(KeyspaceTest, GoesBackToWhatIsOnTheDisk) {
  Put("a", "1");
  (void)Value(keyspace_->Commit());
  keyspace_->Mark();
  Put("a", "2");
  keyspace_->Erase(space_, "a");
  keyspace_->GoBack();
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"a", "1"}}));
}

// What an ended script had written would otherwise be waited for, with nothing left to commit.
TEST_F(KeyspaceTest, CountsTheBytesOfItsTurn) {
  Put("a", "1");
  const size_t before = keyspace_->pending_bytes();
  EXPECT_GT(before, 0u);
  Put("a", "2");
  EXPECT_EQ(keyspace_->pending_bytes(), before) << "one name, one record";
  keyspace_->Mark();
  Put("b", "1");
  EXPECT_GT(keyspace_->pending_bytes(), before);
  keyspace_->GoBack();
  EXPECT_EQ(keyspace_->pending_bytes(), before);
  (void)Value(keyspace_->Commit());
  EXPECT_EQ(keyspace_->pending_bytes(), 0u);
}

// Also what the turn has changed and not committed yet.
TEST_F(KeyspaceTest, ScansEverythingOnceWhateverTheSteps) {
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "name " + std::to_string(i);
    Put(name, std::to_string(i));
    expected[name] = std::to_string(i);
    if (i == 150) (void)Value(keyspace_->Commit());
  }
  keyspace_->Erase(space_, "name 7");
  expected.erase("name 7");
  Put("name 8", "changed");
  expected["name 8"] = "changed";
  for (const size_t at_once : {size_t{1}, size_t{10}, size_t{1'000}}) {
    EXPECT_EQ(All(at_once), expected) << at_once;
  }
  EXPECT_EQ(Value(keyspace_->Count(space_)), 299u);
}

TEST_F(KeyspaceTest, WritesATurnInOneStep) {
  const uint64_t before = here_.store->Health().latest_sequence;
  for (int i = 0; i < 100; ++i) Put("hot", std::to_string(i));
  for (int i = 0; i < 9; ++i) Put("k" + std::to_string(i), "v");
  EXPECT_EQ(Value(keyspace_->Commit()), before + 10) << "one record a name";
  EXPECT_EQ(Value(keyspace_->Commit()), before + 10) << "nothing to write";
}

TEST_F(KeyspaceTest, EstimatesHowManyThereAreWhenThereAreMany) {
  for (int i = 0; i < 30'000; ++i) Put("name " + std::to_string(i), "v");
  (void)Value(keyspace_->Commit());
  const auto count = static_cast<double>(Value(keyspace_->Count(space_)));
  EXPECT_NEAR(count, 30'000, 1'500);
}

TEST_F(KeyspaceTest, LeavesTheDiskWhenItIsDead) {
  const int64_t now_ms = here_.clock.NowMs();
  for (int i = 0; i < 100; ++i) Put("k" + std::to_string(i), std::string(1'000, 'x'), now_ms + 10);
  (void)Value(keyspace_->Commit());
  here_.clock.Advance(120'000);
  Open();  // what was in memory is in a table now
  Put("lives", "v");
  (void)Value(keyspace_->Commit());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(here_.store->Reap().ok());
  keyspace_->SetNow(0);  // to which nothing is dead
  EXPECT_EQ(All().size(), 1u);
}

}  // namespace
}  // namespace onced

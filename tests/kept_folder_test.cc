// SPDX-License-Identifier: MIT
// The data folders that earlier versions have left, kept as they were: this one opens each, and
// finds in it what was put there. What a newer one has left is refused (record_test.cc,
// high_water_test.cc).
//
// ONCED_KEEP_FOLDER=<version> keeps the folder of this version as tests/kept/<version>.tar.gz: once
// for each release, and never again, for what is kept is what that release wrote.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/child.h"
#include "tests/fixtures.h"
#include "tests/redis.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

// What each folder is filled with: commands of the Redis door, and what asks for it later.
struct Name {
  const char* put;
  const char* ask;
  const char* found;
};
constexpr Name kNames[] = {
    {"SET text v", "GET text", "$1\r\nv\r\n"},
    {"HSET hash a 1 b 2", "HGETALL hash", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"SADD set 3 1 2", "SCARD set", ":3\r\n"},
    {"ZADD ranks 1.5 a 2 b", "ZRANGE ranks 0 -1 WITHSCORES",
     "*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"RPUSH list x y", "LRANGE list 0 -1", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n"},
    {"SET later v EX 2000000000", "EXISTS later", ":1\r\n"},
};

std::string Packed(const std::string& version) {
  return ONCED_SOURCE_DIR "/tests/kept/" + version + ".tar.gz";
}

void Tar(std::vector<std::string> args) {
  args.insert(args.begin(), "/bin/tar");
  Child tar(std::move(args));
  ASSERT_TRUE(Eventually([&] { return tar.Ended(); }));
  ASSERT_EQ(tar.code(), 0) << tar.Said();
}

// Records, an effect and ended runs; some in tables, some only in the log.
void Fill(LedgerInAFolder& here) {
  const std::vector<Key> effects = {K("balance", "accounts")};
  (void)Value(here->Execute(K("paid"), {.fingerprint = "fp", .retention_ms = kDayMs}, effects,
                            [&](Batch& batch) -> Result<std::string> {
                              batch.Put(effects[0], "42");
                              return std::string("receipt");
                            }));
  const uint64_t given_back = Value(here->Claim(K("again"), LongClaim())).record->fence;
  (void)Value(here->Release(K("again"), {.fence = given_back}));
  Must(here.store->Flush());
  const uint64_t fence = Value(here->Claim(K("again"), LongClaim())).record->fence;
  (void)Value(
      here->Complete(K("again"), {.fence = fence, .result = "twice", .retention_ms = kDayMs}));
  const uint64_t lost = Value(here->Claim(K("lost"), LongClaim())).record->fence;
  (void)Value(here->MarkUnknown(K("lost"), {.fence = lost}));
  (void)Value(here->Claim(K("running", "orders", "shop"), LongClaim()));
}

void Keep(const std::string& version) {
  LedgerInAFolder here;
  here.Close();
  {
    Program program(here.folder.path(), {"--redis", "127.0.0.1:0"});
    RespClient client(RedisPortOf(program));
    for (const Name& name : kNames) ASSERT_EQ(client.Ask(name.put).find('-'), std::string::npos);
    ASSERT_EQ(program.Stop().code, 0);
  }
  here.Reopen();
  Fill(here);
  const TempFolder copy;  // as a crash would leave it: with a log
  CopyFolder(here.folder.path(), copy.path("data"));
  for (const char* text : {"LOG", "LOG.old", "LOCK"}) fs::remove(copy.path("data/db/") + text);
  fs::create_directories(fs::path(Packed(version)).parent_path());
  Tar({"-C", copy.path("data"), "--sort=name", "--owner=0", "--group=0", "-czf", Packed(version),
       "."});
}

class KeptFolder : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const char* const version = getenv("ONCED_KEEP_FOLDER")) {
      if (version == GetParam() && !fs::exists(Packed(version))) Keep(version);
    }
    fs::create_directories(folder.path("data"));
    Tar({"-C", folder.path("data"), "-xzf", Packed(GetParam())});
  }
  TempFolder folder;
};

TEST_P(KeptFolder, HasTheRecordsThatWerePutThere) {
  ManualClock clock;
  const auto store = OpenStore(QuickOptions(folder.path("data"), &clock));
  Ledger ledger(store.get());
  const Reply paid = Value(ledger.Claim(K("paid"), LongClaim()));
  EXPECT_EQ(paid.outcome, Outcome::kReplay);
  EXPECT_EQ(paid.record->result, "receipt");
  EXPECT_EQ(Value(ledger.ReadEffect(K("balance", "accounts"))).rows,
            std::vector<std::string>{"42"});
  EXPECT_EQ(Value(ledger.Claim(K("again"), LongClaim())).record->result, "twice");
  const auto runs = Value(ledger.History(K("again"))).rows;
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].events.back().type, EventType::kReleased);
  EXPECT_EQ(runs[1].events.back().type, EventType::kCompleted);
  EXPECT_EQ(Value(ledger.Claim(K("lost"), LongClaim())).outcome, Outcome::kUnknown);
  const Reply running = Value(ledger.Claim(K("running", "orders", "shop"), LongClaim()));
  EXPECT_EQ(running.outcome, Outcome::kInFlight);
  EXPECT_EQ(running.record->holder, "me");
  EXPECT_EQ(Value(ledger.Complete(K("running", "orders", "shop"),
                                  {.fence = running.record->fence, .result = "done"}))
                .outcome,
            Outcome::kCompleted);
  EXPECT_GT(Value(ledger.Claim(K("new"), LongClaim())).record->fence, running.record->fence);
}

TEST_P(KeptFolder, HasTheNamesThatWerePutThere) {
  const Program program(folder.path("data"), {"--redis", "127.0.0.1:0"});
  RespClient client(RedisPortOf(program));
  for (const Name& name : kNames) EXPECT_EQ(client.Ask(name.ask), name.found) << name.ask;
}

INSTANTIATE_TEST_SUITE_P(OfEachVersion, KeptFolder, testing::Values("0.1.0"), [](const auto& one) {
  std::string name = one.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace onced

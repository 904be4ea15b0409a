// SPDX-License-Identifier: MIT
// What PostgresStore promises beside what every store does: several of them on one database, fences
// that rise whatever happens, a clock that is the database's, and rows that go when their time is
// over.
#include "engine/postgres_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "engine/ledger.h"
#include "engine/postgres_schema.h"
#include "tests/two_on_postgres.h"

namespace onced {
namespace {

TEST(PostgresSchema, IsMadeByManyAtOnce) {
  PostgresFolder folder;
  folder.Sql("DROP TABLE onced_records, onced_runs, onced_effects, onced_schema");
  EXPECT_EQ(FaultOf(PostgresStore::Open({.url = folder.url()})), Fault::kInvalidArgument);
  std::vector<std::thread> threads;
  std::atomic<int> made{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const Status status = MigratePostgres(folder.url());
      EXPECT_TRUE(status.ok()) << status.message();
      ++made;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 8);
  EXPECT_TRUE(PostgresStore::Open({.url = folder.url()}).ok());
  EXPECT_TRUE(MigratePostgres(folder.url()).ok()) << "again, with nothing to do";
}

TEST(PostgresSchema, WithoutATableIsRefusedByItsNameUntilItIsMadeAgain) {
  for (const std::string table : {"onced_records", "onced_runs", "onced_effects"}) {
    const PostgresFolder folder;
    folder.Sql("DROP TABLE " + table);
    const auto opened = PostgresStore::Open({.url = folder.url()});
    EXPECT_EQ(FaultOf(opened), Fault::kInvalidArgument);
    EXPECT_NE(StatusOf(opened).message().find(table), std::string::npos);
    Must(MigratePostgres(folder.url()));
    EXPECT_TRUE(PostgresStore::Open({.url = folder.url()}).ok());
  }
}

TEST(PostgresSchema, WithSomebodyElsesTableIsRefusedByItsName) {
  const PostgresFolder folder;
  folder.Sql("ALTER TABLE onced_runs RENAME COLUMN run TO walk");
  const auto opened = PostgresStore::Open({.url = folder.url()});
  EXPECT_EQ(FaultOf(opened), Fault::kInvalidArgument);
  EXPECT_NE(StatusOf(opened).message().find("onced_runs"), std::string::npos);
  EXPECT_EQ(FaultOf(MigratePostgres(folder.url())), Fault::kInvalidArgument);
}

TEST(PostgresSchema, ThatIsWholeNeedsNoRightToMakeTables) {
  const PostgresFolder folder;
  folder.Sql("CREATE ROLE " + folder.schema() + " LOGIN");
  folder.Sql("GRANT USAGE ON SCHEMA " + folder.schema() + " TO " + folder.schema());
  folder.Sql("GRANT SELECT ON ALL TABLES IN SCHEMA " + folder.schema() + " TO " + folder.schema());
  std::string url = folder.url();
  url.replace(url.find("postgres@"), std::string("postgres@").size(), folder.schema() + "@");
  const Status status = MigratePostgres(url);
  EXPECT_TRUE(status.ok()) << status.message();
  folder.Sql("DROP OWNED BY " + folder.schema());
  folder.Sql("DROP ROLE " + folder.schema());
}

TEST(PostgresSchema, OfANewerVersionIsLeftAlone) {
  PostgresFolder folder;
  folder.Sql("UPDATE onced_schema SET version = 2");
  EXPECT_EQ(FaultOf(MigratePostgres(folder.url())), Fault::kCorruption);
  EXPECT_EQ(FaultOf(PostgresStore::Open({.url = folder.url()})), Fault::kCorruption);
}

// Whether it may be opened; and what it says if not.
std::string Refusal(const std::string& url, bool allow_unsynced) {
  const auto opened = PostgresStore::Open({.url = url, .allow_unsynced = allow_unsynced});
  if (opened.ok()) return "";
  EXPECT_EQ(FaultOf(opened), Fault::kInvalidArgument);
  return opened.status().message();
}

TEST(PostgresSettings, ThatForgetAreRefusedUnlessTheyAreAllowed) {
  const PostgresFolder folder;
  for (const char* kept : {"on", "local", "remote_write", "remote_apply"}) {
    EXPECT_EQ(Refusal(folder.url() + "%20-csynchronous_commit%3D" + kept, false), "");
  }
  const std::string url = folder.url() + "%20-csynchronous_commit%3Doff";
  EXPECT_NE(Refusal(url, false).find("synchronous_commit = off"), std::string::npos);
  EXPECT_EQ(Refusal(url, true), "");
}

TEST(PostgresSettings, OfTheWholeClusterAreSeenToo) {
  PostgresCluster cluster;
  const PostgresFolder folder(cluster);
  EXPECT_EQ(Refusal(folder.url(), false), "");
  cluster.Sql("ALTER SYSTEM SET fsync = off");
  cluster.Sql("SELECT pg_reload_conf()::text");
  EXPECT_TRUE(Eventually([&] { return cluster.Sql("SHOW fsync").at(0) == "off"; }));
  EXPECT_NE(Refusal(folder.url(), false).find("fsync = off"), std::string::npos);
  EXPECT_EQ(Refusal(folder.url(), true), "");
}

TEST(PostgresUrl, IsNeverRepeated) {
  for (const std::string url :
       {"postgres://me:secret@host:port of call/db", "postgres://me:secret/x@host/db",
        "mysql://me:secret@host/db", "secret"}) {
    const Status status = MigratePostgres(url);
    EXPECT_EQ(FaultOf(status), Fault::kInvalidArgument);
    EXPECT_EQ(status.message().find("secret"), std::string::npos) << status.message();
  }
  const Status nobody = MigratePostgres("postgres://me:secret@127.0.0.1:1/db");
  EXPECT_EQ(FaultOf(nobody), Fault::kUnavailable);
  EXPECT_EQ(nobody.message().find("secret"), std::string::npos) << nobody.message();
}

TEST(Fences, OfAKeyRiseOverEveryEndAndEveryStore) {
  ManualClock clock;
  TwoOnOne here(&clock);
  std::mt19937_64 random(Seed(7));
  uint64_t newest = 0;
  for (int i = 0; i < 200; ++i) {
    Ledger& ledger = random() % 2 == 0 ? here.a : here.b;
    Ledger& other = random() % 2 == 0 ? here.a : here.b;
    const Reply won = Value(ledger.Claim(K("a"), AClaim()));
    ASSERT_EQ(won.outcome, Outcome::kClaimed);
    ASSERT_GT(FenceOf(won), newest);
    newest = FenceOf(won);
    ASSERT_EQ(Value(other.Find(K("a"))).record->fence, newest);
    switch (random() % 4) {
      case 0:  // it is given back
        ASSERT_EQ(Value(other.Release(K("a"), {.fence = newest})).outcome, Outcome::kReleased);
        break;
      case 1:  // it lapses, and is taken over
        clock.Advance(10 * kSecondMs);
        break;
      case 2:  // it is completed, and dies
        ASSERT_EQ(Value(other.Complete(K("a"), {.fence = newest})).outcome, Outcome::kCompleted);
        clock.Advance(kMinuteMs);
        break;
      default:
        ASSERT_EQ(Value(other.Forget(K("a"), {.force = true})).outcome, Outcome::kForgotten);
    }
    // As after a clock that was set back: fences are far ahead of what it would make.
    if (random() % 4 == 0) {
      here.folder.Sql("UPDATE onced_records SET fence = fence + 1000000000000");
      newest += 1'000'000'000'000;
    }
  }
}

TEST(Fences, OfBatchesAndExecuteRiseLikewise) {
  ManualClock clock;
  TwoOnOne here(&clock);
  uint64_t newest = 0;
  for (int i = 0; i < 20; ++i) {
    const std::vector<Operation> operations = {
        {K("a"), AClaim()}, {K("a"), ForgetCommand{.force = true}}, {K("a"), AClaim()}};
    const std::vector<Reply> replies = Value(here.a.DoAll(operations));
    ASSERT_EQ(replies[0].outcome, Outcome::kClaimed);
    ASSERT_GT(FenceOf(replies[0]), newest);
    ASSERT_GT(FenceOf(replies[2]), FenceOf(replies[0]));
    ASSERT_EQ(Value(here.b.Find(K("a"))).record->fence, FenceOf(replies[2]));
    here.folder.Sql("UPDATE onced_records SET fence = fence + 1000000000000");
    clock.Advance(10 * kSecondMs);
    const Reply done = Value(here.b.Execute(K("a"), {.fingerprint = "fp"}, {},
                                            [](Batch&) { return Result<std::string>("r"); }));
    ASSERT_EQ(done.outcome, Outcome::kCompleted);
    ASSERT_GT(FenceOf(done), FenceOf(replies[2]) + 1'000'000'000'000);
    newest = FenceOf(done);
    ASSERT_EQ(Value(here.a.Claim(K("a"), AClaim())).record->fence, newest) << "a replay";
    // The trail tells the same numbers.
    ASSERT_EQ(Value(here.a.History(K("a"))).rows.back().fence, newest);
    ASSERT_EQ(Value(here.a.Forget(K("a"), {})).outcome, Outcome::kForgotten);
  }
}

TEST(TwoStores, HaveOneWinnerAKeyAndOneCompletion) {
  TwoOnOne here;
  constexpr int kKeys = 1'000, kThreadsEach = 8;
  std::vector<std::atomic<int>> won(kKeys), completed(kKeys);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2 * kThreadsEach; ++t) {
    threads.emplace_back([&, t] {
      Ledger& ledger = t % 2 == 0 ? here.a : here.b;
      std::mt19937_64 random(static_cast<uint64_t>(t) / 4);  // four at a time take the same way
      std::vector<size_t> order(kKeys);
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), random);
      for (const size_t i : order) {
        const Key key = K("k" + std::to_string(i));
        const Reply reply = Value(ledger.Claim(key, LongClaim()));
        if (reply.outcome != Outcome::kClaimed) continue;
        ++won[i];
        const Reply done = Value(
            ledger.Complete(key, {.fence = FenceOf(reply), .result = "by " + std::to_string(t)}));
        if (done.outcome == Outcome::kCompleted) ++completed[i];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kKeys; ++i) {
    EXPECT_EQ(won[i], 1) << i;
    EXPECT_EQ(completed[i], 1) << i;
  }
  EXPECT_EQ(here.folder.Sql("SELECT 'x' FROM onced_runs").size(), size_t{kKeys});
}

TEST(TwoStores, LoseNoEffectOfExecute) {
  TwoOnOne here;
  const std::vector<Key> effects = {K("sum"), K("count")};
  constexpr int kRounds = 60;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Ledger& ledger = t % 2 == 0 ? here.a : here.b;
      for (int i = 0; i < kRounds; ++i) {
        const Key key = K(std::to_string(t) + "/" + std::to_string(i));
        // In either order: nobody waits in a circle.
        std::vector<Key> named = effects;
        if (t > 1) std::swap(named[0], named[1]);
        const Reply reply = Value(ledger.Execute(
            key, {.fingerprint = "fp"}, named, [&](Batch& batch) -> Result<std::string> {
              const std::string sum = Value(batch.Get(effects[0])).value_or("0");
              batch.Put(effects[0], std::to_string(std::stoi(sum) + i));
              const std::string count = Value(batch.Get(effects[1])).value_or("0");
              batch.Put(effects[1], std::to_string(std::stoi(count) + 1));
              return std::string();
            }));
        EXPECT_EQ(reply.outcome, Outcome::kCompleted);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value(here.a.ReadEffect(effects[0])).rows.at(0),
            std::to_string(4 * kRounds * (kRounds - 1) / 2));
  EXPECT_EQ(Value(here.b.ReadEffect(effects[1])).rows.at(0), std::to_string(4 * kRounds));
}

TEST(TwoStores, BatchesOnTheSameKeysHaveOneWinnerEach) {
  TwoOnOne here;
  std::vector<std::atomic<int>> won(200);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Ledger& ledger = t % 2 == 0 ? here.a : here.b;
      for (size_t from = 0; from < won.size(); from += 20) {
        std::vector<Operation> operations;
        for (size_t i = from; i < from + 20; ++i) {
          operations.push_back({K("k" + std::to_string(i)), LongClaim()});
        }
        if (t > 1) std::reverse(operations.begin(), operations.end());
        const std::vector<Reply> replies = Value(ledger.DoAll(operations));
        for (size_t i = 0; i < replies.size(); ++i) {
          const size_t at = from + (t > 1 ? 19 - i : i);
          if (replies[i].outcome == Outcome::kClaimed) ++won[at];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::atomic<int>& one : won) EXPECT_EQ(one, 1);
}

TEST(Sweeper, TakesWhatIsLongDeadAndNothingElse) {
  ManualClock clock;
  TwoOnOne here(&clock);
  const auto rows = [&](const std::string& table) {
    return here.folder.Sql("SELECT 'x' FROM " + table).size();
  };
  (void)Value(
      here.a.Complete(K("dead"), {.fence = FenceOf(Value(here.a.Claim(K("dead"), AClaim())))}));
  (void)Value(
      here.a.Release(K("gone"), {.fence = FenceOf(Value(here.a.Claim(K("gone"), AClaim())))}));
  (void)Value(
      here.a.MarkUnknown(K("kept"), {.fence = FenceOf(Value(here.a.Claim(K("kept"), AClaim())))}));
  const std::vector<Key> effects = {K("set"), K("unset")};
  (void)Value(here.a.Execute(K("e"), {.fingerprint = "fp", .retention_ms = kMinuteMs}, effects,
                             [&](Batch& batch) {
                               batch.Put(effects[0], "value");
                               return Result<std::string>("");
                             }));
  clock.Advance(kHourMs);
  Must(here.a_store->Sweep());
  EXPECT_EQ(rows("onced_records"), 3u) << "of the dead, only what was dead for an hour: gone";
  EXPECT_EQ(rows("onced_effects"), 1u);
  EXPECT_EQ(rows("onced_runs"), 4u);
  clock.Advance(kMinuteMs);
  Must(here.b_store->Sweep());
  EXPECT_EQ(rows("onced_records"), 1u);
  clock.Advance(kDayMs);
  Must(here.b_store->Sweep());
  EXPECT_EQ(rows("onced_runs"), 0u);
  EXPECT_EQ(Value(here.b.Find(K("kept"))).record->state, State::kUnknown);
  EXPECT_EQ(Value(here.b.ReadEffect(effects[0])).rows.at(0), "value");
}

TEST(LocalRuns, AreJudgedByTheirLeaseAlone) {
  ManualClock clock;
  TwoOnOne here(&clock);
  ClaimCommand local = AClaim("", OnLapse::kUnknown);
  local.local = true;
  (void)Value(here.a.Claim(K("a"), local));
  here.a_store.reset();  // its process is gone, and nobody can know
  EXPECT_EQ(Value(here.b.Find(K("a"))).record->state, State::kInFlight);
  EXPECT_EQ(Value(here.b.Claim(K("a"), local)).outcome, Outcome::kInFlight);
  clock.Advance(10 * kSecondMs);
  EXPECT_EQ(Value(here.b.Claim(K("a"), local)).outcome, Outcome::kUnknown);
}

// A batch reads small records together and large ones by themselves.
TEST(Batches, AnswerLargeResultsAsOthers) {
  TwoOnOne here;
  const std::string large(100'000, 'l');
  (void)Value(here.a.CompleteUnclaimed(
      K("a"), {.fingerprint = "fp", .result = large, .retention_ms = kMinuteMs}));
  const std::vector<Operation> operations = {{K("a"), LongClaim()},
                                             {K("a"), LongClaim()},
                                             {K("a"), ForgetCommand{}},
                                             {K("a"), LongClaim()}};
  const std::vector<Reply> replies = Value(here.b.DoAll(operations));
  EXPECT_EQ(replies[0].outcome, Outcome::kReplay);
  EXPECT_EQ(replies[0].record->result, large);
  EXPECT_EQ(replies[1].record->result, large);
  EXPECT_EQ(replies[2].outcome, Outcome::kForgotten);
  EXPECT_EQ(replies[3].outcome, Outcome::kClaimed);
  EXPECT_GT(FenceOf(replies[3]), FenceOf(replies[0]));
  EXPECT_EQ(Value(here.a.Find(K("a"))).record->fence, FenceOf(replies[3]));
}

TEST(Pages, TellTheSizeOfAResultWithoutReadingIt) {
  TwoOnOne here;
  for (const size_t size : {size_t{0}, size_t{10}, size_t{500}, size_t{100'000}}) {
    (void)Value(here.a.CompleteUnclaimed(
        K("k" + std::to_string(size), "s"),
        {.fingerprint = "fp", .result = std::string(size, 'r'), .retention_ms = kMinuteMs}));
  }
  const auto page = Value(here.b.List({.tenant = "default", .scope = "s"}));
  std::vector<size_t> sizes;
  for (const ListedRecord& row : page.rows) sizes.push_back(row.result_bytes.value());
  EXPECT_EQ(sizes, (std::vector<size_t>{0, 10, 100'000, 500})) << "in the order of their keys";
}

// The whole of a key may be the prefix, scopes may begin alike, and pages follow each other.
TEST(Pages, FindEveryScopeThatBeginsSo) {
  TwoOnOne here;
  std::vector<std::string> wanted;
  for (const char* scope : {"gw:a", "gw:b", "gw:longer", "other"}) {
    for (const char* key : {"k", "k1", "l"}) {
      (void)Value(here.a.Claim(K(key, scope), LongClaim()));
      if (std::string(scope) != "other" && key[0] == 'k') {
        wanted.push_back(std::string(scope) + " " + key);
      }
    }
  }
  (void)Value(here.a.Claim(K("k", "gw:a", "another"), LongClaim()));
  std::vector<std::string> found;
  ListQuery query{
      .tenant = "default", .scope = "gw:", .scope_is_prefix = true, .prefix = "k", .limit = 2};
  do {
    const auto page = Value(here.b.List(query));
    for (const ListedRecord& row : page.rows) {
      found.push_back(std::string(row.key.scope()) + " " + std::string(row.key.key()));
    }
    query.after = page.next;
  } while (query.after.has_value());
  EXPECT_EQ(found, wanted);
}

}  // namespace
}  // namespace onced

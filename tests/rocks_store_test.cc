// SPDX-License-Identifier: MIT
// The store on RocksDB: what was written is there after a restart, lists page through one tenant's
// scope and no other, and a batch is written whole.
#include "engine/rocks_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/high_water.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

uint64_t Won(LedgerInAFolder& here, const Key& key) {
  const Reply reply = Value(here->Claim(key, AClaim()));
  EXPECT_EQ(reply.outcome, Outcome::kClaimed);
  return reply.record->fence;
}
void Store(LedgerInAFolder& here, const Key& key, const std::string& result = "r") {
  (void)Value(here->Complete(key, {.fence = Won(here, key), .result = result}));
}

TEST(RocksStore, KeepsRecordsRunsAndEffectsOverARestart) {
  for (const Footprint footprint : {Footprint::kServer, Footprint::kEdge}) {
    LedgerInAFolder here([&](RocksStoreOptions& o) { o.footprint = footprint; });
    Store(here, K("a"), std::string(100'000, 'r'));
    const Reply open = Value(here->Claim(K("b"), AClaim("id")));
    const std::vector<Key> effects = {K("effect")};
    (void)Value(here->Execute(K("c"), {}, effects, [&](Batch& batch) {
      batch.Put(effects[0], "done");
      return Result<std::string>("r");
    }));
    here.Reopen();
    EXPECT_EQ(Value(here->Find(K("a"))).record->result, std::string(100'000, 'r'));
    EXPECT_TRUE(Value(here->Find(K("b"))).record == open.record);
    EXPECT_EQ(Value(here->History(K("a"))).rows.size(), 1u);
    EXPECT_EQ(Value(here->History(K("b"))).rows.size(), 1u);
    EXPECT_EQ(Value(here->ReadEffect(effects[0])).rows.at(0), "done");
    EXPECT_EQ(Value(here->Complete(K("b"), {.fence = open.record->fence})).outcome,
              Outcome::kCompleted)
        << "the owner of a live claim completes after the restart";
  }
}

TEST(RocksStore, KeepsWhatWasAnsweredWithoutACleanStop) {
  for (const Durability durability : {Durability::kSync, Durability::kInterval, Durability::kOs}) {
    LedgerInAFolder here([&](RocksStoreOptions& o) { o.durability = durability; });
    for (int i = 0; i < 20; ++i) Store(here, K("k" + std::to_string(i)));
    // As kill -9 leaves it: what the kernel has, but nothing of what a clean stop does.
    CopyFolder(here.folder.path(), here.folder.path("killed"));
    RocksStoreOptions options = here.options;
    options.path = here.folder.path("killed");
    const auto store = OpenStore(options);
    Ledger ledger(store.get());
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(Value(ledger.Claim(K("k" + std::to_string(i)), AClaim())).outcome,
                Outcome::kReplay);
    }
  }
}

TEST(RocksStore, LeavesNothingToReplayAfterACleanStop) {
  LedgerInAFolder here;
  for (int i = 0; i < 20; ++i) Store(here, K("k" + std::to_string(i)));
  const uint64_t latest = here.store->Health().latest_sequence;
  here.Close();
  uintmax_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(here.folder.path() + "/db")) {
    if (entry.path().extension() == ".log") left += entry.file_size();
  }
  EXPECT_EQ(left, 0u);
  const auto mark = Value(HighWater::Open(here.folder.path() + "/high-water"))->mark();
  EXPECT_EQ(mark->synced_sequence, latest);
}

TEST(RocksStore, WritesNoRunsWithTheAuditOff) {
  LedgerInAFolder here([](RocksStoreOptions& o) { o.audit = false; });
  Store(here, K("a"));
  EXPECT_TRUE(Value(here.store->Runs(K("a"))).rows.empty());
  EXPECT_EQ(Value(here->History(K("a"))).rows.size(), 1u) << "the record still tells its own";
  (void)Value(here->Forget(K("a"), {}));
  EXPECT_TRUE(Value(here->History(K("a"))).rows.empty());
}

TEST(RocksStore, ReportsItsHealth) {
  LedgerInAFolder here;
  Store(here, K("a"));
  Must(here.store->Flush());
  const StoreHealth health = here.store->Health();
  EXPECT_GT(health.latest_sequence, 0u);
  EXPECT_EQ(health.durable_sequence, health.latest_sequence);
  EXPECT_EQ(health.answers_held, 0u);
  EXPECT_GT(health.free_bytes, 0u);
  EXPECT_GT(health.fence_epoch, 0u);
  EXPECT_FALSE(health.writes_stopped);
  EXPECT_FALSE(health.clock_in_doubt);
}

// It counted the tables alone: of a store that had written none it said 0, beside a log of
// megabytes.
TEST(RocksStore, CountsAllOfItsFolderAsItsDiskSpace) {
  LedgerInAFolder here;
  Store(here, K("a"), std::string(3'000'000, 'r'));
  EXPECT_EQ(here.store->Health().table_bytes, 0u);
  EXPECT_TRUE(Eventually([&] { return here.store->Health().disk_bytes > 3'000'000; }));
  here.Reopen();
  const uint64_t at_start = here.store->Health().disk_bytes;
  EXPECT_GT(at_start, 0u);
  // A second name takes no room.
  std::filesystem::create_directories(here.folder.path() + "/quarantine");
  WriteFile(here.folder.path() + "/quarantine/1", std::string(1'000'000, 'x'));
  std::filesystem::create_hard_link(here.folder.path() + "/quarantine/1",
                                    here.folder.path() + "/quarantine/2");
  EXPECT_TRUE(Eventually([&] { return here.store->Health().disk_bytes > at_start + 900'000; }));
  EXPECT_LT(here.store->Health().disk_bytes, at_start + 1'900'000);
}

TEST(RocksStore, RunsOnTheGuardedClockWhenGivenNone) {
  TempFolder folder;
  RocksStoreOptions options = QuickOptions(folder.path(), nullptr);
  int64_t before_ms = 0;
  for (int i = 0; i < 2; ++i) {
    const auto store = OpenStore(options);
    EXPECT_GE(store->NowMs(), before_ms);
    before_ms = store->NowMs();
    const auto wall_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
    EXPECT_NEAR(static_cast<double>(before_ms), static_cast<double>(wall_ms), 5'000);
  }
}

// Everything a query lists, page by page.
std::vector<std::string> Listed(LedgerInAFolder& here, ListQuery query) {
  std::vector<std::string> keys;
  for (int page_number = 0; page_number < 1'000; ++page_number) {
    const Page<ListedRecord> page = Value(here->List(query));
    EXPECT_LE(page.rows.size(), query.limit);
    for (const ListedRecord& row : page.rows) keys.emplace_back(row.key.key());
    if (!page.next.has_value()) return keys;
    query.after = page.next;
  }
  ADD_FAILURE() << "the listing never ends";
  return keys;
}
ListQuery Everything(size_t limit = 100) {
  return {.tenant = "default", .scope = "default", .limit = limit};
}

TEST(List, PagesThroughEverythingOnceAndInOrder) {
  LedgerInAFolder here;
  std::vector<std::string> stored;
  for (int i = 0; i < 57; ++i) {
    stored.push_back("k" + std::to_string(i * i));
    Store(here, K(stored.back()));
  }
  std::sort(stored.begin(), stored.end());
  for (const size_t limit :
       {size_t{1}, size_t{3}, size_t{19}, size_t{56}, size_t{57}, size_t{58}}) {
    EXPECT_EQ(Listed(here, Everything(limit)), stored) << limit;
  }
  EXPECT_FALSE(Value(here->List(Everything(57))).next.has_value()) << "that was all";
}

TEST(List, KeepsToItsPrefixFromAnyCursor) {
  LedgerInAFolder here;
  for (const char* key : {"a", "ab", "ab1", "ab2", "abc", "ac", "b"}) Store(here, K(key));
  ListQuery query = Everything(2);
  query.prefix = "ab";
  EXPECT_EQ(Listed(here, query), std::vector<std::string>({"ab", "ab1", "ab2", "abc"}));
  query.after = "ab1";
  EXPECT_EQ(Listed(here, query), std::vector<std::string>({"ab2", "abc"}));
  query.after = "ab1x";
  EXPECT_EQ(Listed(here, query), std::vector<std::string>({"ab2", "abc"})) << "that key is gone";
  query.after = "a";
  EXPECT_EQ(Listed(here, query).size(), 4u) << "a cursor from before the prefix";
  query.after = "zzz";
  EXPECT_TRUE(Listed(here, query).empty()) << "a cursor from behind the prefix";
}

TEST(List, ShowsTheWantedStateOnly) {
  LedgerInAFolder here;
  Store(here, K("done"));
  (void)Won(here, K("flying"));
  (void)Value(here->MarkUnknown(K("lost"), {.fence = Won(here, K("lost"))}));
  ListQuery query = Everything(1);
  EXPECT_EQ(Listed(here, query).size(), 3u);
  query.state = State::kCompleted;
  EXPECT_EQ(Listed(here, query), std::vector<std::string>{"done"});
  query.state = State::kInFlight;
  EXPECT_EQ(Listed(here, query), std::vector<std::string>{"flying"});
  query.state = State::kUnknown;
  EXPECT_EQ(Listed(here, query), std::vector<std::string>{"lost"});
}

// Tenants and scopes whose names begin like each other's.
TEST(List, ShowsOneTenantsScopeAlone) {
  LedgerInAFolder here;
  for (const char* tenant : {"t", "tt", "u"}) {
    for (const char* scope : {"s", "ss", "t"}) {
      Store(here, K(std::string(tenant) + scope, scope, tenant));
    }
  }
  for (const char* tenant : {"t", "tt", "u"}) {
    for (const char* scope : {"s", "ss", "t"}) {
      EXPECT_EQ(Listed(here, {.tenant = tenant, .scope = scope, .limit = 2}),
                std::vector<std::string>{std::string(tenant) + scope});
    }
  }
  EXPECT_TRUE(Listed(here, {.tenant = "x", .scope = "s"}).empty());
}

TEST(List, GoesThroughTheScopesThatBeginAlike) {
  LedgerInAFolder here;
  for (const char* scope : {"s", "sa", "sab", "sb", "r", "ta"}) {
    for (const char* key : {"1", "2"}) Store(here, K(std::string(scope) + key, scope));
  }
  Store(here, K("another", "sa", "tenant"));
  for (const size_t limit : {size_t{1}, size_t{2}, size_t{3}, size_t{100}}) {
    ListQuery query = {.tenant = "default", .scope = "s", .scope_is_prefix = true, .limit = limit};
    EXPECT_EQ(Listed(here, query),
              std::vector<std::string>({"s1", "s2", "sa1", "sa2", "sb1", "sb2", "sab1", "sab2"}));
    query.scope = "sa";
    EXPECT_EQ(Listed(here, query), std::vector<std::string>({"sa1", "sa2", "sab1", "sab2"}));
    query.prefix = "sab2";
    EXPECT_EQ(Listed(here, query), std::vector<std::string>({"sab2"}));
    query.prefix.clear();
    query.scope.clear();
    EXPECT_EQ(Listed(here, query).size(), 12u);
    query.scope = std::string(Key::kMaxLength, 's');
    EXPECT_TRUE(Listed(here, query).empty());
  }
}

TEST(List, LooksAtTenThousandRowsAPageAndThenGoesOn) {
  LedgerInAFolder here;
  std::vector<Operation> operations;
  for (int i = 0; i < 10'500; ++i) {
    operations.push_back({K("k" + std::to_string(100'000 + i)), AClaim()});
    if (operations.size() == 500) {
      (void)Value(here->DoAll(operations));
      operations.clear();
    }
  }
  Store(here, K("last"));
  ListQuery query = Everything();
  query.state = State::kCompleted;
  const Page<ListedRecord> first = Value(here->List(query));
  EXPECT_TRUE(first.rows.empty());
  ASSERT_TRUE(first.next.has_value()) << "empty, but not the end";
  EXPECT_EQ(Listed(here, query), std::vector<std::string>{"last"});
}

// Nobody reads half a batch: all of its keys were written in one step.
TEST(Batch, IsWrittenWhole) {
  LedgerInAFolder here;
  std::vector<Operation> operations;
  for (int i = 0; i < 1'000; ++i) operations.push_back({K("k" + std::to_string(i)), AClaim()});
  const uint64_t before = here.store->Health().latest_sequence;
  (void)Value(here->DoAll(operations));
  EXPECT_EQ(here.store->Health().latest_sequence, before + 1'000);
  // Cut anywhere, the log holds all of the batch or nothing of it.
  const std::string database = here.folder.path() + "/db";
  std::string log;
  for (const auto& entry : std::filesystem::directory_iterator(database)) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) log = entry.path();
  }
  ASSERT_FALSE(log.empty());
  const auto size = std::filesystem::file_size(log);
  for (const uintmax_t cut : {uintmax_t{1}, size / 2, size - 100}) {
    const std::string copy = here.folder.path("cut" + std::to_string(cut));
    CopyFolder(here.folder.path(), copy);
    const std::string name = std::filesystem::path(log).filename();
    std::filesystem::resize_file(copy + "/db/" + name, size - cut);
    RocksStoreOptions options = here.options;
    options.path = copy;
    options.accept_data_loss = true;
    const auto store = OpenStore(options);
    Ledger ledger(store.get());
    EXPECT_TRUE(Value(ledger.List(Everything(1))).rows.empty()) << cut;
  }
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// What the engine costs, beside what it cannot cost less than: bare RocksDB doing a Get and a Put
// with the same options and payload, in the same run. Compare rows of one run only; the machines
// are small and shared.
//
//   BM_FloorGetPut      Get of an absent key and a Put, no fsync: a claim without idempotency
//   BM_FloorGet         Get of a present key: a replay without idempotency
//   BM_ClaimFresh       claim of a new key, durability os
//   BM_ClaimCycle       claim and complete of a new key, audit on or off
//   BM_ClaimReplay      claim of a completed key, all threads the same one
//   BM_ClaimConflict    the same with another fingerprint
//   BM_ExecuteFresh     claim, one effect and result in one write
//   BM_ClaimFreshSync   claim of a new key, durability sync: with the gate; many threads share
//   fsyncs BM_FloorPutSync     Put with RocksDB's own sync=true
//
// Every bench checks its outcomes and fails on a wrong one.
#include <benchmark/benchmark.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/ledger.h"
#include "engine/rocks_options.h"
#include "engine/rocks_store.h"

namespace onced {
namespace {

std::string NewFolder() {
  static std::atomic<int> number{0};
  return std::filesystem::temp_directory_path() /
         ("onced-bench-" + std::to_string(getpid()) + "-" + std::to_string(number++));
}

std::string KeyText(const benchmark::State& state, int64_t i) {
  return "key-" + std::to_string(state.thread_index()) + "-" + std::to_string(i);
}

Key KeyNamed(const std::string& text) { return *Key::Make("default", "bench", text); }

ClaimCommand Claim() {
  return {.fingerprint = std::string(64, 'f'),
          .lease_ms = kLeaseMaxMs,
          .retention_ms = kRetentionDefaultMs};
}

// What the threads of one bench share.
struct World {
  explicit World(Durability durability, bool audit = true) : folder(NewFolder()) {
    store =
        std::move(*RocksStore::Open({.path = folder, .durability = durability, .audit = audit}));
    ledger = std::make_unique<Ledger>(store.get());
  }
  ~World() {
    ledger.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }
  const std::string folder;
  std::unique_ptr<RocksStore> store;
  std::unique_ptr<Ledger> ledger;
};
std::unique_ptr<World> world;

struct Floor {
  Floor() : folder(NewFolder()) {
    rocksdb::Options options(
        DatabaseOptions(Footprint::kServer),
        FamilyOptions(Footprint::kServer, NewSharedMemory(Footprint::kServer), {}, nullptr));
    rocksdb::DB* raw = nullptr;
    ONCED_CHECK(rocksdb::DB::Open(options, folder, &raw).ok());
    db.reset(raw);
  }
  ~Floor() {
    db.reset();
    std::filesystem::remove_all(folder);
  }
  const std::string folder;
  std::unique_ptr<rocksdb::DB> db;
};
std::unique_ptr<Floor> bare;

void SetUpOs(const benchmark::State& /*state*/) {
  world = std::make_unique<World>(Durability::kOs);
}
void SetUpSync(const benchmark::State& /*state*/) {
  world = std::make_unique<World>(Durability::kSync);
}
void SetUpAudit(const benchmark::State& state) {
  world = std::make_unique<World>(Durability::kOs, state.range(0) != 0);
}
void TearDown(const benchmark::State& /*state*/) { world.reset(); }
void SetUpFloor(const benchmark::State& /*state*/) { bare = std::make_unique<Floor>(); }
void TearDownFloor(const benchmark::State& /*state*/) { bare.reset(); }

bool Is(benchmark::State& state, const Result<Reply>& reply, Outcome outcome) {
  if (reply.ok() && reply->outcome == outcome) return true;
  state.SkipWithError("wrong outcome");
  return false;
}

void BM_FloorGetPut(benchmark::State& state) {
  const std::string payload(150, 'v');  // the size of a claim's record
  rocksdb::PinnableSlice value;
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(KeyText(state, i++));
    rocksdb::DB& db = *bare->db;
    const bool absent =
        db.Get(rocksdb::ReadOptions(), db.DefaultColumnFamily(), key.encoded(), &value)
            .IsNotFound();
    if (!absent || !db.Put(rocksdb::WriteOptions(), key.encoded(), payload).ok()) {
      state.SkipWithError("wrong outcome");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorGetPut)
    ->Setup(SetUpFloor)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_ClaimFresh(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(KeyText(state, i++));
    if (!Is(state, world->ledger->Claim(key, claim), Outcome::kClaimed)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimFresh)->Setup(SetUpOs)->Teardown(TearDown)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(BM_ClaimFresh)
    ->Name("BM_ClaimFreshSync")
    ->Setup(SetUpSync)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(16)
    ->Threads(64)
    ->UseRealTime();

void BM_FloorPutSync(benchmark::State& state) {
  const std::string payload(150, 'v');
  rocksdb::WriteOptions options;
  options.sync = true;
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(KeyText(state, i++));
    if (!bare->db->Put(options, key.encoded(), payload).ok()) {
      state.SkipWithError("wrong outcome");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorPutSync)
    ->Setup(SetUpFloor)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(16)
    ->Threads(64)
    ->UseRealTime();

void BM_ClaimCycle(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(KeyText(state, i++));
    const Result<Reply> claimed = world->ledger->Claim(key, claim);
    if (!Is(state, claimed, Outcome::kClaimed)) break;
    const Result<Reply> completed = world->ledger->Complete(
        key, {.fence = claimed->record->fence, .result = std::string(100, 'r')});
    if (!Is(state, completed, Outcome::kCompleted)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimCycle)
    ->ArgName("audit")
    ->Arg(1)
    ->Arg(0)
    ->Setup(SetUpAudit)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void SetUpCompleted(const benchmark::State& state) {
  SetUpOs(state);
  ONCED_CHECK(world->ledger
                  ->CompleteUnclaimed(KeyNamed("hot"), {.fingerprint = Claim().fingerprint,
                                                        .result = std::string(100, 'r'),
                                                        .retention_ms = kRetentionDefaultMs})
                  .ok());
}

void BM_ClaimReplay(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  const Key key = KeyNamed("hot");
  for (auto _ : state) {
    if (!Is(state, world->ledger->Claim(key, claim), Outcome::kReplay)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimReplay)
    ->Setup(SetUpCompleted)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_ClaimConflict(benchmark::State& state) {
  ClaimCommand claim = Claim();
  claim.fingerprint = "other";
  const Key key = KeyNamed("hot");
  for (auto _ : state) {
    if (!Is(state, world->ledger->Claim(key, claim), Outcome::kConflict)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimConflict)
    ->Setup(SetUpCompleted)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void SetUpFloorHot(const benchmark::State& state) {
  SetUpFloor(state);
  ONCED_CHECK(
      bare->db->Put(rocksdb::WriteOptions(), KeyNamed("hot").encoded(), std::string(250, 'v'))
          .ok());
}

void BM_FloorGet(benchmark::State& state) {
  const Key key = KeyNamed("hot");
  for (auto _ : state) {
    rocksdb::PinnableSlice value;
    rocksdb::DB& db = *bare->db;
    if (!db.Get(rocksdb::ReadOptions(), db.DefaultColumnFamily(), key.encoded(), &value).ok()) {
      state.SkipWithError("wrong outcome");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorGet)
    ->Setup(SetUpFloorHot)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_ExecuteFresh(benchmark::State& state) {
  int64_t i = 0;
  for (auto _ : state) {
    const std::string text = KeyText(state, i++);
    const Key key = KeyNamed(text);
    const std::array effects = {KeyNamed("effect-" + text)};
    const Result<Reply> reply = world->ledger->Execute(
        key, {.fingerprint = "f"}, effects, [&](Batch& batch) -> Result<std::string> {
          batch.Put(effects[0], std::string(100, 'e'));
          return std::string(100, 'r');
        });
    if (!Is(state, reply, Outcome::kCompleted)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ExecuteFresh)
    ->Setup(SetUpOs)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

}  // namespace
}  // namespace onced

BENCHMARK_MAIN();

// SPDX-License-Identifier: MIT
// What the engine cannot cost less than, in the same run as engine_bench.cc: bare RocksDB with the
// engine's options and payloads of a record's size, and maps in memory.
//
//   BM_FloorGet          Get of a present key: a replay without idempotency
//   BM_FloorGetPut       Get of an absent key and a Put: a claim without it
//   BM_FloorGetPutPut    and another Put, of the record with a result: a cycle without audit
//   BM_FloorCycle        the Gets and Puts of a cycle in the same two batches, audit rows too
//   BM_FloorPutSync      Put with RocksDB's own sync=true
//   BM_FloorStripedMap   claim and complete in std::unordered_map, a mutex for each of 1,024 of
//   them BM_FloorOneMutex     the same in one of them, with one mutex
#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "bench/engine_world.h"

namespace onced {
namespace {

constexpr size_t kClaimSize = 150;  // of the record of a claim, and of a row of the audit
constexpr size_t kRowSize = 120;

std::unique_ptr<Floor> bare;

void SetUpFloor(const benchmark::State& /*state*/) { bare = std::make_unique<Floor>(); }
void TearDownFloor(const benchmark::State& /*state*/) { bare.reset(); }
void SetUpKnown(const benchmark::State& state) {
  SetUpFloor(state);
  for (const Key& key : Picks::All()) {
    ONCED_CHECK(bare->db()
                    .Put(rocksdb::WriteOptions(), bare->records(), key.encoded(),
                         std::string(kClaimSize + 100, 'v'))
                    .ok());
  }
}

void WrongUnless(benchmark::State& state, bool right) {
  if (!right) state.SkipWithError("wrong outcome");
}

bool IsAbsent(const Key& key) {
  rocksdb::PinnableSlice value;
  return bare->db()
      .Get(rocksdb::ReadOptions(), bare->records(), key.encoded(), &value)
      .IsNotFound();
}
bool Put(const Key& key, const std::string& value) {
  return bare->db().Put(rocksdb::WriteOptions(), bare->records(), key.encoded(), value).ok();
}

void BM_FloorGet(benchmark::State& state) {
  Picks picks(static_cast<Spread>(state.range(0)), state.thread_index());
  for (auto _ : state) {
    rocksdb::PinnableSlice value;
    if (!bare->db()
             .Get(rocksdb::ReadOptions(), bare->records(), picks.Next().encoded(), &value)
             .ok()) {
      state.SkipWithError("wrong outcome");
      break;
    }
    benchmark::DoNotOptimize(value.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorGet)
    ->ArgName("spread")
    ->Arg(static_cast<int64_t>(Spread::kHot))
    ->Arg(static_cast<int64_t>(Spread::kUniform))
    ->Arg(static_cast<int64_t>(Spread::kZipf))
    ->Setup(SetUpKnown)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();

void BM_FloorGetPut(benchmark::State& state) {
  const std::string claim(kClaimSize, 'v');
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    WrongUnless(state, IsAbsent(key) && Put(key, claim));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorGetPut)
    ->Setup(SetUpFloor)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();

void BM_FloorGetPutPut(benchmark::State& state) {
  const std::string claim(kClaimSize, 'v');
  const std::string done(kClaimSize + 100, 'v');
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    WrongUnless(state, IsAbsent(key) && Put(key, claim) && Put(key, done));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorGetPutPut)
    ->Setup(SetUpFloor)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

// One of the two writes of a cycle: the record, and its run's row.
bool PutBoth(const Key& key, const std::string& record, const std::string& row) {
  rocksdb::WriteBatch batch;
  std::string row_key(key.encoded());
  row_key.append(8, '\0');  // the run's number
  return batch.Put(bare->records(), key.encoded(), record).ok() &&
         batch.Put(bare->audit(), row_key, row).ok() &&
         bare->db().Write(rocksdb::WriteOptions(), &batch).ok();
}

void BM_FloorCycle(benchmark::State& state) {
  const auto body = static_cast<size_t>(state.range(0));
  const std::string claim(kClaimSize, 'v');
  const std::string done(kClaimSize + body, 'v');
  const std::string row(kRowSize, 'v');
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    WrongUnless(state, IsAbsent(key) && PutBoth(key, claim, row) && !IsAbsent(key) &&
                           PutBoth(key, done, row));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorCycle)
    ->ArgName("body")
    ->Arg(100)
    ->Arg(10'240)
    ->Arg(1'048'576)
    ->Setup(SetUpFloor)
    ->Teardown(TearDownFloor)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_FloorPutSync(benchmark::State& state) {
  const std::string payload(kClaimSize, 'v');
  rocksdb::WriteOptions options;
  options.sync = true;
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    WrongUnless(state, bare->db().Put(options, bare->records(), key.encoded(), payload).ok());
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

// A ledger that forgets all when it ends.
class Maps {
 public:
  explicit Maps(size_t count) : all_(count) {}
  // True: claimed, for it was not there.
  bool Claim(const std::string& key, std::string record) {
    One& one = OneOf(key);
    const std::lock_guard<std::mutex> lock(one.mutex);
    return one.map.emplace(key, std::move(record)).second;
  }
  void Complete(const std::string& key, std::string record) {
    One& one = OneOf(key);
    const std::lock_guard<std::mutex> lock(one.mutex);
    one.map[key] = std::move(record);
  }

 private:
  struct One {
    std::mutex mutex;
    std::unordered_map<std::string, std::string> map;
  };
  One& OneOf(const std::string& key) { return all_[std::hash<std::string>()(key) % all_.size()]; }
  std::vector<One> all_;
};
std::unique_ptr<Maps> maps;

void SetUpStriped(const benchmark::State& /*state*/) { maps = std::make_unique<Maps>(1'024); }
void SetUpOne(const benchmark::State& /*state*/) { maps = std::make_unique<Maps>(1); }
void TearDownMaps(const benchmark::State& /*state*/) { maps.reset(); }

void BM_FloorMap(benchmark::State& state) {
  int64_t i = 0;
  for (auto _ : state) {
    const std::string key = OwnKeyText(state, i++);
    WrongUnless(state, maps->Claim(key, std::string(kClaimSize, 'v')));
    maps->Complete(key, std::string(kClaimSize + 100, 'v'));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FloorMap)
    ->Name("BM_FloorStripedMap")
    ->Setup(SetUpStriped)
    ->Teardown(TearDownMaps)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();
BENCHMARK(BM_FloorMap)
    ->Name("BM_FloorOneMutex")
    ->Setup(SetUpOne)
    ->Teardown(TearDownMaps)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();

}  // namespace
}  // namespace onced

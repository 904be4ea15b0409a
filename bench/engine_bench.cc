// SPDX-License-Identifier: MIT
// What the engine costs. What it cannot cost less than is measured in the same run by
// engine_floor_bench.cc, whose rows begin with BM_Floor: compare rows of one run only, for the
// machines are small and shared.
//
//   BM_ClaimFresh       claim of a new key, by durability
//   BM_ClaimGate        the same in `sync` for clients that do not sleep: a thread goes on with
//                       another client while the gate holds an answer, as the doors do
//   BM_ClaimCycle       claim and complete of a new key: audit on or off, result of `body` bytes
//   BM_ClaimStripes     the same by the number of stripes
//   BM_ClaimRelease     claim and release of a new key
//   BM_ClaimReplay      claim of a completed key: one hot key, or of 20,000 uniformly or by Zipf
//   BM_ClaimInFlight    claim of a key that is in flight
//   BM_ClaimConflict    claim of a completed key with another fingerprint
//   BM_Duplicates       every key `times` times, from all threads at once: claim, complete by who
//                       has won
//   BM_ExecuteFresh     claim, one effect and result in one write
//
// Every bench checks its outcomes, and BM_Duplicates its winners, and fails on a wrong one.
#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "bench/engine_world.h"

namespace onced {
namespace {

std::unique_ptr<World> world;
std::atomic<int64_t> begun{0};  // of BM_Duplicates
std::atomic<int64_t> won{0};

ClaimCommand Claim() {
  return {.fingerprint = std::string(64, 'f'),
          .lease_ms = kLeaseMaxMs,
          .retention_ms = kRetentionDefaultMs};
}

bool Is(benchmark::State& state, const Result<Reply>& reply, Outcome outcome) {
  if (reply.ok() && reply->outcome == outcome) return true;
  state.SkipWithError("wrong outcome");
  return false;
}

void SetUpOs(const benchmark::State& /*state*/) { world = std::make_unique<World>(WorldOptions{}); }
void SetUpDurability(const benchmark::State& state) {
  world =
      std::make_unique<World>(WorldOptions{.durability = static_cast<Durability>(state.range(0))});
}
void SetUpGate(const benchmark::State& /*state*/) {
  world =
      std::make_unique<World>(WorldOptions{.durability = Durability::kSync, .wait_at_gate = false});
}
void SetUpAudit(const benchmark::State& state) {
  world = std::make_unique<World>(WorldOptions{.audit = state.range(0) != 0});
}
void SetUpStripes(const benchmark::State& state) {
  world = std::make_unique<World>(WorldOptions{.stripes = static_cast<size_t>(state.range(0))});
}
void TearDown(const benchmark::State& /*state*/) { world.reset(); }

// Claims a new key and completes it with `size` bytes.
bool Cycle(benchmark::State& state, const Key& key, const ClaimCommand& claim, size_t size) {
  const Result<Reply> claimed = world->ledger().Claim(key, claim);
  if (!Is(state, claimed, Outcome::kClaimed)) return false;
  const Result<Reply> completed = world->ledger().Complete(
      key, {.fence = claimed->record->fence, .result = std::string(size, 'r')});
  return Is(state, completed, Outcome::kCompleted);
}

void BM_ClaimFresh(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    if (!Is(state, world->ledger().Claim(key, claim), Outcome::kClaimed)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimFresh)
    ->ArgName("durability")
    ->Arg(static_cast<int64_t>(Durability::kOs))
    ->Arg(static_cast<int64_t>(Durability::kInterval))
    ->Setup(SetUpDurability)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();
BENCHMARK(BM_ClaimFresh)
    ->ArgName("durability")
    ->Arg(static_cast<int64_t>(Durability::kSync))
    ->Setup(SetUpDurability)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(16)
    ->Threads(64)
    ->UseRealTime();

// Clients whose last claim is durable, and who may claim again.
class ReadyClients {
 public:
  void Push(int client) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ready_.push_back(client);
    came_.notify_one();
  }
  int Pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    came_.wait(lock, [&] { return !ready_.empty(); });
    const int client = ready_.front();
    ready_.pop_front();
    return client;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<int> ready_;
};

void BM_ClaimGate(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  const auto clients = static_cast<int>(state.range(0)) / state.threads();
  ReadyClients ready;
  for (int client = 0; client < clients; ++client) ready.Push(client);
  int64_t i = 0;
  for (auto _ : state) {
    const int client = ready.Pop();
    const Key key = KeyNamed(OwnKeyText(state, i++));
    const Result<Reply> reply = world->ledger().Claim(key, claim);
    if (!Is(state, reply, Outcome::kClaimed)) {
      ready.Push(client);
      break;
    }
    world->ledger().WhenDurable(reply->sequence, [&ready, client] { ready.Push(client); });
  }
  for (int client = 0; client < clients; ++client) ready.Pop();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimGate)
    ->ArgName("clients")
    ->Arg(64)
    ->Setup(SetUpGate)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_ClaimCycle(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    if (!Cycle(state, key, claim, static_cast<size_t>(state.range(1)))) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimCycle)
    ->ArgNames({"audit", "body"})
    ->ArgsProduct({{1, 0}, {100, 10'240}})
    ->Args({1, 1'048'576})
    ->Setup(SetUpAudit)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_ClaimStripes(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  int64_t i = 0;
  for (auto _ : state) {
    if (!Cycle(state, KeyNamed(OwnKeyText(state, i++)), claim, 100)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimStripes)
    ->ArgName("stripes")
    ->Arg(1)
    ->Arg(64)
    ->Arg(1'024)
    ->Arg(65'536)
    ->Setup(SetUpStripes)
    ->Teardown(TearDown)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();

void BM_ClaimRelease(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  int64_t i = 0;
  for (auto _ : state) {
    const Key key = KeyNamed(OwnKeyText(state, i++));
    const Result<Reply> claimed = world->ledger().Claim(key, claim);
    if (!Is(state, claimed, Outcome::kClaimed)) break;
    if (!Is(state, world->ledger().Release(key, {.fence = claimed->record->fence}),
            Outcome::kReleased)) {
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimRelease)
    ->Setup(SetUpOs)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void SetUpCompleted(const benchmark::State& state) {
  SetUpOs(state);
  for (const Key& key : Picks::All()) {
    ONCED_CHECK(world->ledger()
                    .CompleteUnclaimed(key, {.fingerprint = Claim().fingerprint,
                                             .result = std::string(100, 'r'),
                                             .retention_ms = kRetentionDefaultMs})
                    .ok());
  }
}
void SetUpInFlight(const benchmark::State& state) {
  SetUpOs(state);
  ONCED_CHECK(world->ledger().Claim(KeyNamed("hot"), Claim()).ok());
}

void BM_ClaimReplay(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  Picks picks(static_cast<Spread>(state.range(0)), state.thread_index());
  for (auto _ : state) {
    if (!Is(state, world->ledger().Claim(picks.Next(), claim), Outcome::kReplay)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimReplay)
    ->ArgName("spread")
    ->Arg(static_cast<int64_t>(Spread::kHot))
    ->Arg(static_cast<int64_t>(Spread::kUniform))
    ->Arg(static_cast<int64_t>(Spread::kZipf))
    ->Setup(SetUpCompleted)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();

void BM_ClaimInFlight(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  const Key key = KeyNamed("hot");
  for (auto _ : state) {
    if (!Is(state, world->ledger().Claim(key, claim), Outcome::kInFlight)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimInFlight)
    ->Setup(SetUpInFlight)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_ClaimConflict(benchmark::State& state) {
  ClaimCommand claim = Claim();
  claim.fingerprint = "other";
  Picks picks(Spread::kHot, 0);
  for (auto _ : state) {
    if (!Is(state, world->ledger().Claim(picks.Next(), claim), Outcome::kConflict)) break;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClaimConflict)
    ->Setup(SetUpCompleted)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void SetUpDuplicates(const benchmark::State& state) {
  SetUpOs(state);
  begun = 0;
  won = 0;
}
// A key's duplicates come one after the other, each from whichever thread is next.
void TearDownDuplicates(const benchmark::State& state) {
  const int64_t keys = (begun + state.range(0) - 1) / state.range(0);
  ONCED_CHECK(won == keys);
  TearDown(state);
}

void BM_Duplicates(benchmark::State& state) {
  const ClaimCommand claim = Claim();
  const int64_t times = state.range(0);
  for (auto _ : state) {
    const Key key = KeyNamed("dup-" + std::to_string(begun++ / times));
    const Result<Reply> reply = world->ledger().Claim(key, claim);
    if (reply.ok() && reply->outcome == Outcome::kClaimed) {
      ++won;
      const Result<Reply> completed = world->ledger().Complete(
          key, {.fence = reply->record->fence, .result = std::string(100, 'r')});
      if (!Is(state, completed, Outcome::kCompleted)) break;
    } else if (!reply.ok() ||
               (reply->outcome != Outcome::kReplay && reply->outcome != Outcome::kInFlight)) {
      state.SkipWithError("wrong outcome");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Duplicates)
    ->ArgName("times")
    ->Arg(1)
    ->Arg(2)
    ->Arg(10)
    ->Arg(100)
    ->Setup(SetUpDuplicates)
    ->Teardown(TearDownDuplicates)
    ->Threads(1)
    ->Threads(2)
    ->Threads(16)
    ->UseRealTime();

void BM_ExecuteFresh(benchmark::State& state) {
  int64_t i = 0;
  for (auto _ : state) {
    const std::string text = OwnKeyText(state, i++);
    const Key key = KeyNamed(text);
    const std::array effects = {KeyNamed("effect-" + text)};
    const Result<Reply> reply = world->ledger().Execute(
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

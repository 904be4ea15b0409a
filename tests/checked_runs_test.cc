// SPDX-License-Identifier: MIT
// Crowds that want the same few keys, under leases that lapse, and every answer that they got
// checked: on the engine, and on the real program by both doors, which is killed and started again
// under them.
//
// ONCED_RUN_MS=<n>: how long a crowd goes on. ONCED_SEED=<seed> makes it ask the same.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/child.h"
#include "tests/ledger_doors.h"
#include "tests/proof.h"
#include "tests/redis.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kLeaseMs = 100;  // the shortest there is
constexpr uint64_t kKeys = 6;
constexpr int kCallers = 8;

// In checks of the state of many calls one key must not stay completed: keys change by the second.
std::string PrefixAt(steady_clock::duration since) {
  return "k" + std::to_string(std::chrono::duration_cast<milliseconds>(since).count() / 500) + "-";
}

void Tell(const CallHistory& history, Proof* proof) {
  proof->count = history.calls();
  const std::vector<std::string> wrongs = history.Wrongs();
  proof->failures = wrongs.size();
  proof->remark = std::to_string(history.unanswered()) + " unanswered";
  for (const std::string& wrong : wrongs) ADD_FAILURE() << wrong;
  EXPECT_GT(history.calls(), 1'000u);
}

TEST(CheckedRun, OfTheEngine) {
  Proof proof("checked calls, engine", "ONCED_RUN_MS", 3'000);
  const TempFolder folder;
  RocksStoreOptions options;
  options.path = folder.path();
  options.durability = Durability::kOs;
  const std::unique_ptr<RocksStore> store = OpenStore(options);
  Ledger ledger(store.get());
  CallHistory history;
  std::vector<std::thread> callers;
  const auto begun = steady_clock::now();
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i, pen = history.NewPen()] {
      EngineDoor door(&ledger);
      for (uint64_t round = 0;; ++round) {
        const auto since = steady_clock::now() - begun;
        if (since > milliseconds(proof.rounds())) return;
        LedgerCaller caller(&door, pen, proof.seed() + 1'000 * round + static_cast<uint64_t>(i),
                            PrefixAt(since), kKeys, kLeaseMs);
        for (int n = 0; n < 20; ++n) (void)caller.Round();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  Tell(history, &proof);
}

// Two who ask for a new key at the same moment, as nearly as two processors can, again and again.
TEST(CheckedRun, OfTheEngineFromAStartingGun) {
  Proof proof("checked calls, starting gun", "ONCED_RUN_MS", 3'000);
  const TempFolder folder;
  RocksStoreOptions options;
  options.path = folder.path();
  options.durability = Durability::kOs;
  const std::unique_ptr<RocksStore> store = OpenStore(options);
  Ledger ledger(store.get());
  CallHistory history;
  std::vector<std::thread> callers;
  const int rounds = static_cast<int>(proof.rounds()) * 10;
  std::atomic<int> arrived{0};
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&, pen = history.NewPen()] {
      EngineDoor door(&ledger);
      for (int round = 1; round <= rounds; ++round) {
        Call claim{.kind = Call::Kind::kClaim, .fingerprint = 1, .lease_ns = 3'600'000'000'000};
        ++arrived;
        for (int spins = 0; arrived < 2 * round; ++spins) {
          if (spins > 10'000) std::this_thread::yield();
        }
        (void)pen->Note("g" + std::to_string(round), claim,
                        [&](Call& call) { return door.Ask("g" + std::to_string(round), call); });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  Tell(history, &proof);
}

class CheckedKills : public testing::TestWithParam<const char*> {};

TEST_P(CheckedKills, OfTheProgramByBothDoors) {
  Proof proof(std::string("checked calls, kill -9, ") + GetParam(), "ONCED_RUN_MS", 3'000);
  RedisInAFolder here({"--durability", GetParam()});
  CallHistory history;
  const auto begun = steady_clock::now();
  std::mt19937_64 random(proof.seed());
  for (uint64_t round = 0; steady_clock::now() - begun < milliseconds(proof.rounds()); ++round) {
    std::vector<std::thread> callers;
    const std::string prefix = PrefixAt(steady_clock::now() - begun);
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i, seed = random(), pen = history.NewPen()] {
        std::unique_ptr<LedgerDoor> door;
        if (i % 2 == 0) {
          door = std::make_unique<HttpLedgerDoor>(here.program->Connect());
        } else {
          door = std::make_unique<RedisLedgerDoor>(here.port);
        }
        LedgerCaller caller(door.get(), pen, seed, prefix, kKeys, kLeaseMs);
        while (caller.Round()) {
        }
      });
    }
    // real time: they are at it
    std::this_thread::sleep_for(milliseconds(20 + random() % 400));
    here.program->Kill();
    for (std::thread& caller : callers) caller.join();
    here.StartAgain();
    ++proof.faults;
  }
  Tell(history, &proof);
  EXPECT_GT(proof.faults, 3u);
}

INSTANTIATE_TEST_SUITE_P(InEveryMode, CheckedKills, testing::Values("sync", "interval", "os"),
                         [](const auto& mode) { return std::string(mode.param); });

// Those who were stopped with a claim in hand, past its lease, and go on as if nothing had
// happened: the claim is another's by then, and completed.
TEST(Zombies, AreRefusedWhateverTheyBring) {
  Proof proof("zombies", "ONCED_ZOMBIES", 100);
  RedisInAFolder here({"--durability", "os"});
  const std::string url = "http://127.0.0.1:" + std::to_string(here.program->port()) + "/v1/";
  // Claims, stops itself, and when it goes on completes, renews and releases.
  const std::string script =
      "fence=$(curl -s --json \"{\\\"key\\\":\\\"$1\\\",\\\"lease_ms\\\":200}\" " + url +
      "claim | sed 's/.*\"fence\":\"\\([0-9]*\\)\".*/\\1/'); kill -STOP $$; " +
      "for call in complete renew release; do more=; " +
      "[ $call = complete ] && more=',\"result\":\"zombie\"'; " +
      "[ $call = renew ] && more=',\"lease_ms\":60000'; " +
      "curl -s --json \"{\\\"key\\\":\\\"$1\\\",\\\"fence\\\":\\\"$fence\\\"$more}\" " + url +
      "$call; echo; done";
  constexpr uint64_t kAtATime = 20;
  for (uint64_t first = 0; first < proof.rounds(); first += kAtATime) {
    std::vector<std::unique_ptr<Child>> zombies;
    std::vector<std::string> keys;
    for (uint64_t i = first; i < std::min(first + kAtATime, proof.rounds()); ++i) {
      keys.push_back("z" + std::to_string(i));
      zombies.push_back(std::make_unique<Child>(
          std::vector<std::string>{"/bin/bash", "-c", script, "zombie", keys.back()}));
    }
    for (size_t i = 0; i < zombies.size(); ++i) {
      EXPECT_TRUE(Eventually([&] { return zombies[i]->IsStopped(); }));
      HttpAnswer won;
      EXPECT_TRUE(Eventually([&] {
        won = here.program->Ask("POST", "/v1/claim",
                                Json("{'key':'" + keys[i] + "','lease_ms':60000}"));
        return won.status == 201;
      })) << won.body;
      EXPECT_EQ(here.program
                    ->Ask("POST", "/v1/complete",
                          Json("{'key':'" + keys[i] + "','fence':'" + won.Field("/fence") +
                               "','result':'living'}"))
                    .status,
                200);
      zombies[i]->Signal(SIGCONT);
      EXPECT_TRUE(Eventually([&] { return zombies[i]->Ended(); }));
      const std::string said = zombies[i]->Said();
      size_t refused = 0;
      for (size_t at = 0; (at = said.find("\"stale_fence\"", at)) != std::string::npos; ++at) {
        ++refused;
      }
      ++proof.count;
      ++proof.faults;
      const std::string kept = here.program->Ask("GET", "/v1/keys/" + keys[i] + "/result").body;
      if (refused == 3 && kept == "\"living\"") continue;
      ++proof.failures;
      ADD_FAILURE() << keys[i] << ": " << said << kept;
    }
  }
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
#include "bench/redis_keys.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "bench/redis_sides.h"
#include "bench/resp_client.h"

namespace onced::bench {
namespace {

constexpr char kPrefix[] = "key:";
constexpr int64_t kLookedAt = 10'000;
// With everysec redis-server holds writes that it has answered for back from its file, up to two
// seconds, while an fsync is under way: kill -9 loses them, which was seen here.
constexpr std::chrono::seconds kHeldBackMost{3};
constexpr double kStoppedMostSeconds = 2;

// A side and the keys it holds.
struct Holder {
  RedisSide* side;
  int64_t keys = 0;

  // Returns the seconds it took.
  double Add(int64_t more) {
    const auto begin = std::chrono::steady_clock::now();
    RespClient(side->port()).SetKeys(kPrefix, keys, keys + more);
    keys += more;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  // Reads all over the keys, so that what is kept for reading is resident too, and waits for what
  // redis-server does in the background.
  void Read(int seconds) const {
    const RedisLoad load{
        .command = {"GET", std::string(kPrefix) + "__rand_int__"}, .spread = keys, .pipeline = 16};
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    RespClient client(side->port());
    while (std::chrono::steady_clock::now() < until ||
           client.Info("persistence", "aof_rewrite_in_progress") != 0) {
      RunRedisBenchmark(load, side->port(), 80'000);
    }
    client.CheckKeys(kPrefix, 0, keys, kLookedAt);
  }
  // Ends it by a signal, and returns the seconds until it answers again, with all that it held.
  double StartAgain(int signal) const {
    side->End(signal);
    const double seconds = side->Start(KeyOf(kPrefix, keys - 1), ValueOf(keys - 1));
    RespClient(side->port()).CheckKeys(kPrefix, 0, keys, kLookedAt);
    return seconds;
  }
};

void CompareMemory(const Rounds& rounds, const std::string& name, const Holder& ours,
                   const Holder& theirs) {
  Row row{.name = name, .unit = "MiB", .target = 4, .less_is_better = true};
  row.Add(ours.side->resident(), theirs.side->resident());
  row.Print(rounds);
}

// Before each end some keys are new, so that a log is left to be read.
void CompareStarts(const Rounds& rounds, Holder* ours, Holder* theirs) {
  Row stopped{.name = "keys-stopped", .unit = "s", .target = 1, .less_is_better = true};
  Row killed{.name = "keys-killed", .unit = "s", .target = 10, .less_is_better = true};
  std::vector<double> their_stopped;
  for (int round = 0; round < rounds.rounds; ++round) {
    for (const bool kill : {false, true}) {
      double our = 0;
      double their = 0;
      const auto start_again = [&](Holder* holder, double* seconds) {
        holder->Add(std::max<int64_t>(holder->keys / 100, 1));
        if (kill) std::this_thread::sleep_for(kHeldBackMost);
        *seconds = holder->StartAgain(kill ? SIGKILL : SIGTERM);
      };
      InTurns(
          round, [&] { start_again(ours, &our); }, [&] { start_again(theirs, &their); });
      if (kill) {
        killed.Add(our, their);
      } else {
        stopped.Add(our, kStoppedMostSeconds);
        their_stopped.push_back(their);
      }
    }
  }
  stopped.Print(rounds);
  std::printf("%-17s %9s %9.2f s of redis-server; B above is what is allowed\n", "", "",
              Median(their_stopped));
  killed.Print(rounds);
}

}  // namespace

void CompareKeys(const Rounds& rounds, const KeysOptions& options) {
  const std::string rows = "keys-loaded keys-read keys-stopped keys-killed";
  if (rows.find(rounds.only) == std::string::npos) return;
  OncedSide onced(rounds.onced, "interval", options.footprint);
  RedisServerSide redis("everysec");
  Holder ours{.side = &onced};
  Holder theirs{.side = &redis};
  const double our_seconds = ours.Add(options.keys);
  const double their_seconds = theirs.Add(options.keys);
  std::printf("%-17s %9.2f %9.2f s to load %lld keys of 100 bytes on one connection\n", "",
              our_seconds, their_seconds, static_cast<long long>(options.keys));
  CompareMemory(rounds, "keys-loaded", ours, theirs);
  ours.Read(rounds.wrk.seconds);
  theirs.Read(rounds.wrk.seconds);
  CompareMemory(rounds, "keys-read", ours, theirs);
  std::printf("%-17s %9.2f %9.2f MiB at the most until then\n", "", onced.most_resident(),
              redis.most_resident());
  CompareStarts(rounds, &ours, &theirs);
}

}  // namespace onced::bench

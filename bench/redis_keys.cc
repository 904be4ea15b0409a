// SPDX-License-Identifier: MIT
#include "bench/redis_keys.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

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
constexpr double kReadsWanted = 0.8;  // of redis-server's, pipelined

// A side and the keys it holds.
struct Holder {
  RedisSide* side;
  int64_t keys = 0;
  int64_t refused = 0;  // thousands, for a while

  // Returns the seconds it took.
  double Add(int64_t more) {
    const auto begin = std::chrono::steady_clock::now();
    RespClient client(side->port());
    client.SetKeys(kPrefix, keys, keys + more);
    refused += client.refused();
    keys += more;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  // Reads all over the keys, so that what is kept for reading is resident too, and waits for what
  // redis-server does in the background. Returns how many were read a second, in the middle run.
  double Read(int seconds) const {
    const RedisLoad load{
        .command = {"GET", std::string(kPrefix) + "__rand_int__"}, .spread = keys, .pipeline = 16};
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    RespClient client(side->port());
    std::vector<double> per_second;
    while (std::chrono::steady_clock::now() < until ||
           client.Info("persistence", "aof_rewrite_in_progress") != 0) {
      per_second.push_back(RunRedisBenchmark(load, side->port(), 80'000));
    }
    client.CheckKeys(kPrefix, 0, keys, kLookedAt);
    return Median(per_second);
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

// One side of ours beside redis-server, after both were read.
void CompareReads(const Rounds& rounds, const std::string& suffix, const Holder& ours,
                  double our_rate, const Holder& theirs, double their_rate) {
  CompareMemory(rounds, "keys-read" + suffix, ours, theirs);
  Row rate{.name = "keys-get" + suffix, .unit = "req/s", .target = kReadsWanted};
  rate.Add(our_rate, their_rate);
  rate.Print(rounds);
  std::printf("%-17s %9.2f %9.2f MiB at the most until then\n", "", ours.side->most_resident(),
              theirs.side->most_resident());
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

void CompareKeys(const Rounds& rounds, int64_t keys) {
  const std::string rows = "keys-loaded-edge keys-read-edge keys-get-edge keys-stopped keys-killed";
  if (rows.find(rounds.only) == std::string::npos) return;
  OncedSide onced(rounds.onced, "interval");
  OncedSide edge(rounds.onced, "interval", "edge");
  RedisServerSide redis("everysec");
  Holder ours{.side = &onced};
  Holder small{.side = &edge};
  Holder theirs{.side = &redis};
  const double our_seconds = ours.Add(keys);
  const double small_seconds = small.Add(keys);
  const double their_seconds = theirs.Add(keys);
  std::printf("%-17s %9.2f %9.2f s to load %lld keys of 100 bytes on one connection; %.2f edge\n",
              "", our_seconds, their_seconds, static_cast<long long>(keys), small_seconds);
  std::printf("%-17s %9lld %9lld thousands were refused and sent again; %lld edge\n", "",
              static_cast<long long>(ours.refused), static_cast<long long>(theirs.refused),
              static_cast<long long>(small.refused));
  CompareMemory(rounds, "keys-loaded", ours, theirs);
  CompareMemory(rounds, "keys-loaded-edge", small, theirs);
  const double our_rate = ours.Read(rounds.wrk.seconds);
  const double small_rate = small.Read(rounds.wrk.seconds);
  const double their_rate = theirs.Read(rounds.wrk.seconds);
  CompareReads(rounds, "", ours, our_rate, theirs, their_rate);
  CompareReads(rounds, "-edge", small, small_rate, theirs, their_rate);
  CompareStarts(rounds, &ours, &theirs);
}

}  // namespace onced::bench

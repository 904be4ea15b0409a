// SPDX-License-Identifier: MIT
// What the Redis door costs beside redis-server with an append-only file, in ratios of runs that
// alternate. Rows interval-...: durability interval beside appendfsync everysec; rows sync-...:
// durability sync beside appendfsync always. 50 connections; .../16 is pipelined by 16:
//
//   fresh, fresh/16   SET key token NX EX of new keys
//   dup, dup/16       the same of 100,000 keys that are there
//   get, get/16       GET of them, 100 bytes each
//   incr, incr/16     INCR of 100,000 counters
//   keys-loaded       resident memory with all of --keys, durability interval
//   keys-read         the same after reading among them, when onced has filled its cache
//   keys-get          GET of them all over, pipelined by 16
//   keys-...-edge     the same three with --footprint edge, which stays within 256 MiB
//   keys-stopped      from the start to the first answer after a clean stop, beside 2 s
//   keys-killed       the same after kill -9, beside redis-server, which reads its file
//
// Load comes from redis-benchmark, on the same cores. Every run, of either side, is checked: the
// new keys are counted, the old ones still have their values, the hits are counted, the counters
// add up, and what was there before an end is there after it. What is wanted of pipelined rows is
// for Debian's librocksdb, which has assertions in it; with a Release one (LD_LIBRARY_PATH) it
// is 1.2.
//
//   onced_redis_bench compare [--rounds 5] [--seconds 4] [--only TEXT]
//                            [--keys 1000000]
//   onced_redis_bench smoke                                             a blink of it
//
// Exit: 0 all was measured (missed targets are told, not failed), 1 wrong outcomes or counts, 77
// redis-server or redis-benchmark is not there.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/comparison.h"
#include "bench/redis_keys.h"
#include "bench/redis_sides.h"
#include "bench/resp_client.h"

namespace onced::bench {
namespace {

constexpr int64_t kOldKeys = 100'000;
constexpr int64_t kFewKeys = 2'000;
constexpr int64_t kBlink = 1'600;  // requests

struct Settings : Rounds {
  Settings() { onced = ONCED_PROGRAM; }
  int64_t keys = 1'000'000;
};

enum class Kind { kFresh, kDuplicate, kGet, kIncr };

// One side of one row: what is sent to it, and whether it was done.
class Runs {
 public:
  Runs(const RedisSide* side, Kind kind, int pipeline, int64_t old_keys)
      : side_(side), port_(side->port()), kind_(kind), pipeline_(pipeline), old_keys_(old_keys) {
    RespClient(port_).SetKeys("key:", 0, old_keys_);
    per_second_ = Send(kBlink);
    cpu_us_.clear();
  }
  // Of processor time a request, run by run.
  const std::vector<double>& cpu_us() const { return cpu_us_; }
  // Returns requests per second.
  double Run(int seconds) {
    // redis-benchmark is told how many, not how long: as many as the last run would have done.
    const double fitting = std::min(per_second_ * seconds, kRequestsMost);
    return per_second_ = Send(std::max(kBlink, static_cast<int64_t>(fitting) / kUnit * kUnit));
  }

 private:
  static constexpr double kRequestsMost = 20e6;
  static constexpr int64_t kUnit = 800;  // every connection sends as many, in whole pipelines
  static constexpr int kDatabases = 16;
  static constexpr int64_t kCommandsOfOurs = 400;  // those that look at the keys count as well
  static constexpr char kToken[] = "0123456789abcdef0123456789abcdef";

  double Send(int64_t requests) {
    ++run_;
    RespClient client(port_);
    const int64_t before = Done(&client);
    const auto cpu_before = side_->CpuTime();
    const double per_second = RunRedisBenchmark(Load(), port_, requests);
    cpu_us_.push_back(static_cast<double>((side_->CpuTime() - cpu_before).count()) /
                      static_cast<double>(requests));
    const int64_t done = Done(&client) - before;
    // Two new keys of a run may be the same: one in 2^31 for each pair.
    const double least = static_cast<double>(requests) * (kind_ == Kind::kFresh ? 0.998 : 1);
    const int64_t most = requests + (kind_ == Kind::kDuplicate ? kCommandsOfOurs : 0);
    if (static_cast<double>(done) < least || done > most) {
      Fail("wrong count: redis-benchmark sent " + std::to_string(requests) + " and " +
           std::to_string(done) + " were done");
    }
    return per_second;
  }

  // A run of new keys has a database of its own, but for every sixteenth: then there are fewer to
  // look through for the keys that begin as this run's do.
  RedisLoad Load() const {
    const std::string some = ":__rand_int__";
    switch (kind_) {
      case Kind::kFresh:
        return {.command = {"SET", Prefix() + "__rand_int__", kToken, "NX", "EX", "86400"},
                .spread = INT32_MAX,
                .pipeline = pipeline_,
                .database = run_ % kDatabases};
      case Kind::kDuplicate:
        return {.command = {"SET", "key" + some, kToken, "NX", "EX", "86400"},
                .spread = old_keys_,
                .pipeline = pipeline_};
      case Kind::kGet:
        return {.command = {"GET", "key" + some}, .spread = old_keys_, .pipeline = pipeline_};
      case Kind::kIncr:
        break;
    }
    return {.command = {"INCR", "count" + some}, .spread = old_keys_, .pipeline = pipeline_};
  }

  std::string Prefix() const { return "run" + std::to_string(run_) + ":"; }

  // What tells by how much it has grown how many of this kind were done.
  int64_t Done(RespClient* client) {
    int64_t sum = 0;
    switch (kind_) {
      case Kind::kFresh:
        client->Ask({"SELECT", std::to_string(run_ % kDatabases)});
        return client->CountKeys(Prefix());
      case Kind::kDuplicate:
        client->CheckKeys("key:", 0, old_keys_, old_keys_);
        return client->Info("stats", "total_commands_processed");
      case Kind::kGet:
        return client->Info("stats", "keyspace_hits");
      case Kind::kIncr:
        break;
    }
    client->GetKeys("count:", 0, old_keys_, old_keys_,
                    [&](int64_t, const std::string& value) { sum += std::atoll(value.c_str()); });
    return sum;
  }

  const RedisSide* const side_;
  const int port_;
  const Kind kind_;
  const int pipeline_;
  const int64_t old_keys_;
  int run_ = 0;
  double per_second_ = 0;
  std::vector<double> cpu_us_;
};

struct Kinds {
  const char* name;
  Kind kind;
};
constexpr Kinds kKinds[] = {
    {"fresh", Kind::kFresh}, {"dup", Kind::kDuplicate}, {"get", Kind::kGet}, {"incr", Kind::kIncr}};
constexpr int kPipelines[] = {1, 16};

struct Durability {
  const char* name;
  const char* appendfsync;
  double target;
  double pipelined_target;
};
constexpr Durability kDurabilities[] = {{"interval", "everysec", 1.0, 0.8},
                                        {"sync", "always", 1.2, 0.8}};

void CompareKind(const Settings& settings, const Durability& durability, const Kinds& kind,
                 int pipeline) {
  Row row{.name = std::string(durability.name) + "-" + kind.name,
          .unit = "req/s",
          .target = pipeline == 1 ? durability.target : durability.pipelined_target};
  if (pipeline > 1) row.name += "/" + std::to_string(pipeline);
  if (row.name.find(settings.only) == std::string::npos) return;
  const OncedSide onced(settings.onced, durability.name);
  const RedisServerSide redis(durability.appendfsync);
  Runs ours(&onced, kind.kind, pipeline, kOldKeys);
  Runs theirs(&redis, kind.kind, pipeline, kOldKeys);
  CompareRates(
      settings, row, [&] { return ours.Run(settings.wrk.seconds); },
      [&] { return theirs.Run(settings.wrk.seconds); });
  PrintCpu("", ours.cpu_us(), theirs.cpu_us());
}

void Compare(const Settings& settings) {
  PrintHead(settings, "redis-benchmark -c 50");
  std::printf(
      "A: onced, durability as the row says\n"
      "B: redis-server --save '' --appendonly yes --appendfsync everysec (interval-, keys-) or "
      "always (sync-)\n");
  for (const Durability& durability : kDurabilities) {
    for (const Kinds& kind : kKinds) {
      for (const int pipeline : kPipelines) CompareKind(settings, durability, kind, pipeline);
    }
  }
  CompareKeys(settings, settings.keys);
}

// Every kind and every check once, without judgement but for what is done with a few keys.
void Smoke(Settings settings) {
  const OncedSide onced(settings.onced, "interval");
  const RedisServerSide redis("everysec");
  for (const RedisSide* side :
       {static_cast<const RedisSide*>(&onced), static_cast<const RedisSide*>(&redis)}) {
    for (const Kinds& kind : kKinds) {
      for (const int pipeline : kPipelines) Runs(side, kind.kind, pipeline, kFewKeys);
    }
  }
  settings.rounds = 1;
  settings.wrk.seconds = 1;
  settings.keys = 20'000;
  CompareKeys(settings, settings.keys);
}

void AddFlags(CLI::App* app, int64_t* keys) {
  app->add_option("--keys", *keys, "of the rows keys-...")->check(CLI::Range(1'000, 100'000'000));
}

}  // namespace
}  // namespace onced::bench

int main(int argc, char** argv) {
  using onced::bench::Settings;
  Settings settings;
  return onced::bench::RunComparison(
      argc, argv, &settings,
      {.name = "redis_bench",
       .about = "onced's Redis door beside redis-server",
       .compare = [&] { onced::bench::Compare(settings); },
       .smoke = [&] { onced::bench::Smoke(settings); },
       .needs = {"redis-server", "redis-benchmark", "timeout"},
       .add_flags = [&](CLI::App* app) { onced::bench::AddFlags(app, &settings.keys); }});
}

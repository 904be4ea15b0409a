// SPDX-License-Identifier: MIT
// What onced costs over HTTP, beside what people would use instead, always as ratios of runs that
// alternate (A B A B ...): the machines are small and shared, so no absolute number means anything.
//
//   replay/32, replay/256   a completed key's 100-byte result, durability os, beside a stock
//                           cpp-httplib server that echoes 100 bytes (stock_echo.cc)
//   replay-p99/256          their 99th percentiles, of the same runs
//   fresh/32                claims of new keys, durability os, beside the same echo
//   sync-os/64              claims of new keys, durability sync beside os
//   sync-postgres/64        the same beside PostgreSQL: INSERT ... ON CONFLICT by pgbench
//   batch-os, batch-sync    keys a second of /v1/batch with 100 claims beside single claims, from
//                           one connection
//
// Load comes from wrk, on the same cores; which side begins changes from round to round. Every run
// checks that there were no errors; one of onced counts the keys it has claimed, or the replays of
// the hot key, beside wrk's count.
//
//   onced_http_bench compare [--rounds 5] [--seconds 4] [--only TEXT]   a few minutes
//   onced_http_bench smoke                                              a blink of it
//
// Exit: 0 all was measured (missed targets are told, not failed), 1 wrong outcomes or counts, 77
// wrk is not there.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/comparison.h"
#include "bench/servers.h"

namespace onced::bench {
namespace {

using Kind = Workload::Kind;

struct Settings : Rounds {
  Settings() { onced = ONCED_PROGRAM; }
  std::string echo = ONCED_STOCK_ECHO;
};

void CompareWithEcho(const Settings& settings, Kind kind, const std::string& name, double target,
                     int connections, bool tails) {
  StockEcho echo(settings.echo);
  OncedServer onced(settings.onced, "os");
  onced.StoreHotKey();
  Row rate{.name = name, .unit = "req/s", .target = target};
  Row tail{.name = "replay-p99/256", .unit = "ms", .target = 1.0, .less_is_better = true};
  std::vector<double> our_cpu;
  std::vector<double> their_cpu;
  for (int round = 0; round < settings.rounds; ++round) {
    const Workload ours{.kind = kind, .connections = connections};
    Measured a;
    Measured b;
    InTurns(
        round,
        [&] {
          a = kind == Kind::kFresh ? onced.ServeNewKeys(ours, settings.wrk)
                                   : onced.ServeReplays(ours, settings.wrk);
        },
        [&] { b = echo.Serve({.kind = Kind::kEcho, .connections = connections}, settings.wrk); });
    rate.Add(a.per_second, b.per_second);
    tail.Add(a.p99_ms, b.p99_ms);
    our_cpu.push_back(onced.server().cpu_us_per_request());
    their_cpu.push_back(echo.cpu_us_per_request());
  }
  rate.Print(settings);
  if (tails) tail.Print(settings);
  PrintCpu(name, our_cpu, their_cpu);
}

void CompareSyncWithOs(const Settings& settings) {
  OncedServer sync(settings.onced, "sync");
  OncedServer os(settings.onced, "os");
  const Workload fresh{.kind = Kind::kFresh, .connections = 64};
  CompareRates(
      settings, {.name = "sync-os/64", .unit = "req/s", .target = 0.6},
      [&] { return sync.ServeNewKeys(fresh, settings.wrk).per_second; },
      [&] { return os.ServeNewKeys(fresh, settings.wrk).per_second; });
}

void CompareSyncWithPostgres(const Settings& settings) {
  if (Postgres::Programs().empty()) {
    std::printf("%-17s left out: PostgreSQL is not installed\n", "sync-postgres/64");
    return;
  }
  OncedServer sync(settings.onced, "sync");
  Postgres postgres;
  const Workload fresh{.kind = Kind::kFresh, .connections = 64};
  CompareRates(
      settings, {.name = "sync-postgres/64", .unit = "req/s", .target = 1.2},
      [&] { return sync.ServeNewKeys(fresh, settings.wrk).per_second; },
      [&] { return postgres.Insert(64, settings.wrk.seconds); });
}

void CompareBatches(const Settings& settings, const std::string& durability, double target) {
  OncedServer onced(settings.onced, durability);
  const Workload batch{.kind = Kind::kBatch, .connections = 1};
  const Workload fresh{.kind = Kind::kFresh, .connections = 1};
  CompareRates(
      settings, {.name = "batch-" + durability, .unit = "keys/s", .target = target},
      [&] { return onced.ServeNewKeys(batch, settings.wrk).per_second; },
      [&] { return onced.ServeNewKeys(fresh, settings.wrk).per_second; });
}

struct Comparison {
  std::string name;
  std::function<void(const Settings&)> run;
};

std::vector<Comparison> AllComparisons() {
  return {
      {"replay/32",
       [](const Settings& s) { CompareWithEcho(s, Kind::kReplay, "replay/32", 1.3, 32, false); }},
      {"replay/256",
       [](const Settings& s) { CompareWithEcho(s, Kind::kReplay, "replay/256", 1.4, 256, true); }},
      {"fresh/32",
       [](const Settings& s) { CompareWithEcho(s, Kind::kFresh, "fresh/32", 1.1, 32, false); }},
      {"sync-os/64", CompareSyncWithOs},
      {"sync-postgres/64", CompareSyncWithPostgres},
      {"batch-os", [](const Settings& s) { CompareBatches(s, "os", 5); }},
      {"batch-sync", [](const Settings& s) { CompareBatches(s, "sync", 20); }},
  };
}

void Compare(const Settings& settings) {
  PrintHead(settings, Described(settings.wrk));
  for (const Comparison& comparison : AllComparisons()) {
    if (comparison.name.find(settings.only) != std::string::npos) comparison.run(settings);
  }
}

// Every script and every count once, with few connections and no judgement.
void Smoke(const Settings& settings) {
  const WrkOptions blink{.seconds = 1};
  StockEcho(settings.echo).Serve({.kind = Kind::kEcho, .connections = 4}, blink);
  OncedServer onced(settings.onced, "os");
  onced.StoreHotKey();
  onced.ServeReplays({.kind = Kind::kReplay, .connections = 4}, blink);
  onced.ServeNewKeys({.kind = Kind::kFresh, .connections = 4}, blink);
  onced.ServeNewKeys({.kind = Kind::kBatch, .connections = 1}, blink);
}

}  // namespace
}  // namespace onced::bench

int main(int argc, char** argv) {
  using onced::bench::Settings;
  Settings settings;
  return onced::bench::RunComparison(
      argc, argv, &settings,
      {.name = "http_bench",
       .about = "onced beside what people would use instead, over HTTP",
       .compare = [&] { onced::bench::Compare(settings); },
       .smoke = [&] { onced::bench::Smoke(settings); },
       .add_flags = [&](CLI::App* app) { onced::bench::AddWrkFlags(app, &settings.wrk); }});
}

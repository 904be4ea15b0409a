// SPDX-License-Identifier: MIT
// The suite: the same effect, asked for by the same load, at onced's doors and at what people would
// use instead. Every run begins with an empty system; the systems take turns, round by round, so
// that what disturbs a round disturbs all of them. Nothing is judged here: each run is a line in a
// file, and report.py makes a page of them.
//
//   doors        new keys, 32 connections, closed loop: throughput
//   latency      new keys at fixed rates, open loop: how long an operation takes from when it
//                should have begun, up to the rate at which the system no longer keeps up
//   duplicates   every key 1, 2, 10 and 100 times (0, 50, 90, 99 % duplicates), 32 and 256
//                connections: first executions a second, and what the duplicates cost
//   connections  new keys, 1 to 2,000 connections
//   growth       onced alone, with 1 million keys and more in it
//   turnover     onced alone, while as many keys end as begin
//
//   onced_suite PART --raw FILE [--rounds N] [--seconds N] [--only TEXT]
//   onced_suite smoke                           a blink of every system and part
//
// Every run ends with a count: as many executions of the effect as there were keys, no key twice.
// For onced a wrong count ends the suite; of the others whose pattern has races it is told.
//
// Exit: 0 all was measured, 1 wrong outcomes or counts, 2 a flag is wrong.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/growth.h"
#include "bench/raw_results.h"
#include "bench/systems.h"

namespace onced::bench {
namespace {

struct Settings {
  Places places{.onced = ONCED_PROGRAM,
                .timed_service = ONCED_TIMED_SERVICE,
                .stock_echo = ONCED_STOCK_ECHO,
                .peers = ONCED_PEERS};
  std::string raw;
  int rounds = 3;
  int seconds = 4;
  std::string only;  // systems whose name contains this
};

class Suite {
 public:
  Suite(std::string part, const Settings& settings)
      : part_(std::move(part)), settings_(settings), results_(settings.raw) {}

  void Doors();
  void Latency();
  void Duplicates();
  void Connections();
  // Every system of this part for a blink.
  void Smoke();

 private:
  // Those among `names` (all when there are none) that are wanted and can run here.
  std::vector<const SystemKind*> Chosen(const std::vector<std::string>& names);
  LoadPlan PlanOf(int connections, double per_second = 0) const;
  // One run on a new system. Returns what was measured.
  Run Measure(const SystemKind& kind, int round, const LoadPlan& plan, int times);

  const std::string part_;
  const Settings& settings_;
  RawResults results_;
  int runs_ = 0;
};

std::vector<const SystemKind*> Suite::Chosen(const std::vector<std::string>& names) {
  std::vector<const SystemKind*> chosen;
  for (const SystemKind& kind : AllSystems()) {
    const bool named =
        names.empty() || std::find(names.begin(), names.end(), kind.name) != names.end();
    if (!named || kind.name.find(settings_.only) == std::string::npos) continue;
    if (const std::string why = kind.missing(settings_.places); !why.empty()) {
      std::printf("%-12s %-24s not run: %s\n", part_.c_str(), kind.name.c_str(), why.c_str());
      results_.NotRun(part_, kind, why);
      continue;
    }
    chosen.push_back(&kind);
  }
  return chosen;
}

LoadPlan Suite::PlanOf(int connections, double per_second) const {
  return {.connections = connections,
          .duration = std::chrono::seconds(settings_.seconds),
          .per_second = per_second};
}

Run Suite::Measure(const SystemKind& kind, int round, const LoadPlan& plan, int times) {
  const std::unique_ptr<System> system = kind.start(settings_.places);
  const std::unique_ptr<PayingScript> script =
      system->NewScript({.prefix = "run" + std::to_string(runs_++), .times = times});
  Run run{.part = part_, .kind = &kind, .round = round, .plan = plan, .times = times};
  run.plan.port = system->port();
  run.plan.protocol = system->protocol();
  const auto cpu_before = system->CpuTime();
  run.load = RunLoad(run.plan, script.get());
  run.cpu_us = static_cast<double>((system->CpuTime() - cpu_before).count()) /
               static_cast<double>(std::max<int64_t>(run.load.begun, 1));
  run.resident_kib = system->ResidentKib();
  run.keys = script->keys().Distinct(run.load.begun);
  run.refused = script->refused();
  const Executions told{.all = script->won(), .keys_with_more = script->won_again()};
  const Executions counted = system->Counted().value_or(told);
  run.executions = counted.all;
  run.keys_with_more = counted.keys_with_more;
  const bool counts = script->tells_winners() || system->Counted().has_value();
  if (counts && kind.executes_once) {
    for (const Executions& one : {counted, told}) {
      if (one.all == run.keys && one.keys_with_more == 0) continue;
      Fail(kind.name + ": wrong count: " + std::to_string(run.keys) + " keys, " +
           std::to_string(one.all) + " executions, " + std::to_string(one.keys_with_more) +
           " keys with more than one");
    }
  }
  results_.Add(run);
  std::printf("%-12s %-24s %4d connections, key %3d times%s: %8.0f/s, p50 %.2f ms, p99 %.2f ms",
              part_.c_str(), kind.name.c_str(), plan.connections, times,
              plan.per_second > 0
                  ? (", at " + std::to_string(static_cast<int>(plan.per_second)) + "/s").c_str()
                  : "",
              run.load.per_second, static_cast<double>(run.load.latency_us.Percentile(50)) / 1e3,
              static_cast<double>(run.load.latency_us.Percentile(99)) / 1e3);
  if (counts && run.executions != run.keys) {
    std::printf(", %lld keys executed %lld times", static_cast<long long>(run.keys),
                static_cast<long long>(run.executions));
  }
  std::printf("\n");
  std::fflush(stdout);
  return run;
}

void Suite::Doors() {
  const auto systems = Chosen({});
  for (int round = 0; round < settings_.rounds; ++round) {
    for (const SystemKind* kind : systems) Measure(*kind, round, PlanOf(32), 1);
  }
}

void Suite::Latency() {
  // An open loop needs as many connections as may be under way.
  constexpr int kConnections = 256;
  constexpr double kKeepsUp = 0.95;
  for (const SystemKind* kind :
       Chosen({"onced-endpoint-sync", "onced-endpoint-interval", "onced-gateway-sync",
               "onced-redis-interval", "redis-server-everysec", "fastapi-redis-everysec",
               "express-redis-everysec", "webdis-redis-off", "etcd"})) {
    for (const double rate : {200, 500, 1'000, 2'000, 5'000, 10'000, 20'000, 40'000}) {
      const Run run = Measure(*kind, 0, PlanOf(kConnections, rate), 1);
      if (run.load.per_second < rate * kKeepsUp) break;
    }
  }
}

void Suite::Duplicates() {
  const auto systems =
      Chosen({"onced-endpoint-sync", "onced-endpoint-interval", "onced-gateway-interval",
              "fastapi-redis-everysec", "express-redis-everysec"});
  for (int round = 0; round < settings_.rounds; ++round) {
    for (const int connections : {32, 256}) {
      for (const int times : {1, 2, 10, 100}) {
        for (const SystemKind* kind : systems) Measure(*kind, round, PlanOf(connections), times);
      }
    }
  }
}

void Suite::Connections() {
  const auto systems = Chosen({"onced-api-sync", "onced-api-interval", "fastapi-redis-everysec"});
  for (const int connections : {1, 4, 16, 64, 256, 1'000, 2'000}) {
    for (const SystemKind* kind : systems) Measure(*kind, 0, PlanOf(connections), 1);
  }
}

void Suite::Smoke() {
  LoadPlan blink{.connections = 20,
                 .warm_up = std::chrono::milliseconds(50),
                 .duration = std::chrono::milliseconds(200)};
  for (const SystemKind* kind : Chosen({})) {
    blink.per_second = 0;
    Measure(*kind, 0, blink, 3);
    blink.per_second = 200;
    Measure(*kind, 0, blink, 1);
  }
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("onced beside what people would use instead", "onced_suite");
  app.require_subcommand(1);
  const TempFolder folder;
  settings.raw = folder.path() / "raw.jsonl";
  const auto part = [&](const char* name, const char* about, void (Suite::*run)()) {
    CLI::App* const command = app.add_subcommand(name, about);
    command->add_option("--raw", settings.raw, "the file that lines are added to");
    command->add_option("--rounds", settings.rounds)->check(CLI::Range(1, 99));
    command->add_option("--seconds", settings.seconds, "of each run")->check(CLI::Range(1, 600));
    command->add_option("--only", settings.only, "systems whose name contains this");
    command->add_option("--onced", settings.places.onced, "the program to measure");
    command->add_option("--node-modules", settings.places.node_modules, "with express in it");
    command->callback([&settings, name, run] { (Suite(name, settings).*run)(); });
  };
  part("doors", "throughput of new keys", &Suite::Doors);
  part("latency", "at fixed rates, from when each should have begun", &Suite::Latency);
  part("duplicates", "the same effect under duplicates", &Suite::Duplicates);
  part("connections", "1 to 2,000 of them", &Suite::Connections);
  part("smoke", "a blink of every system", &Suite::Smoke);
  GrowthOptions growth{.onced = settings.places.onced};
  CLI::App* const grow = app.add_subcommand("growth", "onced with many keys in it");
  grow->add_option("--raw", growth.raw, "the file that lines are added to")->required();
  grow->add_option("--seconds", growth.seconds, "of each run")->check(CLI::Range(1, 600));
  grow->add_option("--sizes", growth.sizes, "keys, upwards")->check(CLI::Range(1'000, 100'000'000));
  grow->add_option("--onced", growth.onced, "the program to measure");
  grow->callback([&] { MeasureGrowth(growth); });
  TurnoverOptions turnover{.onced = settings.places.onced};
  CLI::App* const turn = app.add_subcommand("turnover", "as many keys end as begin");
  turn->add_option("--raw", turnover.raw, "the file that lines are added to")->required();
  turn->add_option("--seconds", turnover.seconds)->check(CLI::Range(10, 36'000));
  turn->add_option("--retention", turnover.retention_seconds, "seconds")
      ->check(CLI::Range(1, 3600));
  turn->add_option("--rate", turnover.per_second, "claims a second")->check(CLI::Range(1, 100'000));
  turn->add_option("--onced", turnover.onced, "the program to measure");
  turn->callback([&] { MeasureTurnover(turnover); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {  // every system has ended by now, every folder is gone
    std::fprintf(stderr, "suite: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace onced::bench

int main(int argc, char** argv) { return onced::bench::Main(argc, argv); }

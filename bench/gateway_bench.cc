// SPDX-License-Identifier: MIT
// What the gateway costs in front of a service that takes 1 ms (timed_service.cc), in ratios of
// runs that alternate:
//
//   pass/32          requests without a key, beside nginx proxy_pass to the same service
//   first/32         requests with a new key each, durability os, beside the same
//   first-sync/32    the same with durability sync; for information
//   replay/32        duplicates of a finished request, beside replays of the API (POST /v1/claim)
//   crowd/1000       1,000 duplicates at once of a request that takes 200 ms: from the first answer
//   to
//                    the last, beside the 250 ms it may take; the service is asked once
//
// Load comes from wrk, on the same cores. Every run checks that there were no errors, and that the
// service was asked once for every request, or never, as it must.
//
//   onced_gateway_bench compare [--rounds 5] [--seconds 4] [--only TEXT]
//   onced_gateway_bench smoke                                             a blink of it
//
// Exit: 0 all was measured (missed targets are told, not failed), 1 wrong outcomes or counts, 77
// wrk is not there. Without nginx its rows are left out.
#include <cstdio>
#include <string>

#include "bench/comparison.h"
#include "bench/crowd.h"
#include "bench/proxies.h"

namespace onced::bench {
namespace {

constexpr int kServiceMs = 1;
using Kind = Workload::Kind;

struct Settings : Rounds {
  Settings() { onced = ONCED_PROGRAM; }
  std::string service = ONCED_TIMED_SERVICE;
};

void CompareWithNginx(const Settings& settings, const std::string& name, Kind kind,
                      const std::string& durability, double target) {
  if (name.find(settings.only) == std::string::npos) return;
  if (!NginxProxy::IsInstalled()) {
    std::printf("%-17s left out: nginx is not installed\n", name.c_str());
    return;
  }
  const TimedService service(settings.service, kServiceMs);
  OncedGateway gateway(settings.onced, durability, service);
  NginxProxy nginx(service.port());
  const Workload workload{.kind = kind, .connections = 32, .scope = "nginx"};
  CompareRates(
      settings, {.name = name, .unit = "req/s", .target = target},
      [&] { return gateway.Serve(workload, settings.wrk).per_second; },
      [&] { return nginx.Serve(workload, settings.wrk).per_second; });
}

void CompareReplays(const Settings& settings) {
  const std::string name = "replay/32";
  if (name.find(settings.only) == std::string::npos) return;
  const TimedService service(settings.service, kServiceMs);
  OncedGateway gateway(settings.onced, "os", service);
  OncedServer api(settings.onced, "os");
  api.StoreHotKey();
  CompareRates(
      settings, {.name = name, .unit = "req/s", .target = 0.8},
      [&] {
        return gateway.Serve({.kind = Kind::kKeyedDuplicate, .connections = 32}, settings.wrk)
            .per_second;
      },
      [&] {
        return api.ServeReplays({.kind = Kind::kReplay, .connections = 32}, settings.wrk)
            .per_second;
      });
}

void AskOnceForMany(const Settings& settings, int clients) {
  constexpr double kMostMs = 250;
  const std::string name = "crowd/" + std::to_string(clients);
  if (name.find(settings.only) == std::string::npos) return;
  const TimedService service(settings.service, 200);
  const OncedGateway gateway(settings.onced, "os", service);
  Row row{.name = name, .unit = "ms", .target = 1, .less_is_better = true};
  for (int round = 0; round < settings.rounds; ++round) {
    const int64_t before = service.Count();
    const CrowdTimes times =
        AskAtOnce(gateway.gateway_port(), clients,
                  "POST /pay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
                  "Idempotency-Key: crowd-" +
                      std::to_string(round) + "\r\n\r\npaid");
    if (service.Count() - before != 1) Fail("the crowd's request was sent more than once");
    row.Add(times.last_ms - times.first_ms, kMostMs);
  }
  row.Print(settings);
}

void Compare(const Settings& settings) {
  PrintHead(settings, Described(settings.wrk));
  CompareWithNginx(settings, "pass/32", Kind::kPass, "os", 0.8);
  CompareWithNginx(settings, "first/32", Kind::kKeyed, "os", 0.6);
  CompareWithNginx(settings, "first-sync/32", Kind::kKeyed, "sync", 0);
  CompareReplays(settings);
  AskOnceForMany(settings, 1'000);
}

// Every script and every count once, with few connections and no judgement.
void Smoke(const Settings& settings) {
  const WrkOptions blink{.seconds = 1};
  const TimedService service(settings.service, kServiceMs);
  OncedGateway gateway(settings.onced, "os", service);
  for (const Kind kind : {Kind::kPass, Kind::kKeyed, Kind::kKeyedDuplicate}) {
    gateway.Serve({.kind = kind, .connections = 4}, blink);
  }
  AskOnceForMany(settings, 100);
  if (!NginxProxy::IsInstalled()) return;
  NginxProxy(service.port()).Serve({.kind = Kind::kPass, .connections = 4}, blink);
}

}  // namespace
}  // namespace onced::bench

int main(int argc, char** argv) {
  using onced::bench::Settings;
  Settings settings;
  return onced::bench::RunComparison(
      argc, argv, &settings,
      {.name = "gateway_bench",
       .about = "onced's gateway beside nginx, and beside onced's API",
       .compare = [&] { onced::bench::Compare(settings); },
       .smoke = [&] { onced::bench::Smoke(settings); },
       .add_flags = [&](CLI::App* app) { onced::bench::AddWrkFlags(app, &settings.wrk); }});
}

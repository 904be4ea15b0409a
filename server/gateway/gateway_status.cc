// SPDX-License-Identifier: MIT
// How the gateway is doing: what GET /v1/status and /metrics tell of it.
#include <chrono>
#include <string>
#include <utility>

#include "server/gateway/breaker.h"
#include "server/gateway/gateway.h"
#include "server/gateway/keyed_ask.h"
#include "server/json/json_writer.h"

namespace onced {

void Gateway::Observe(Observed* observed) const {
  const GatewayCounts& counts = services_.counts;
  auto& told = observed->tally.told[static_cast<size_t>(Door::kGateway)];
  const std::pair<CameTo, uint64_t> all[] = {
      {CameTo::kExecuted, counts.ran},       {CameTo::kReplayed, counts.replayed},
      {CameTo::kInFlight, counts.in_flight}, {CameTo::kConflict, counts.conflicts},
      {CameTo::kUnknown, counts.unknown},    {CameTo::kPassed, counts.passed},
      {CameTo::kFailed, counts.suspended}};
  for (const auto& [came_to, count] : all) told[static_cast<size_t>(came_to)] += count;
  observed->runs_under_way = runs_->under_way();
  const auto now = std::chrono::steady_clock::now();
  const Routes routes = Now();
  for (const Route& route : routes->routes()) {
    observed->upstreams.push_back({.route = route.name,
                                   .breaker = static_cast<int>(route.breaker->state(now)),
                                   .opened = route.breaker->opened()});
  }
}

std::string Gateway::StatusJson() const {
  const auto now = std::chrono::steady_clock::now();
  const GatewayCounts& counts = services_.counts;
  JsonWriter w(512);
  w.Field("runs_under_way", runs_->under_way())
      .Field("passed", counts.passed.load())
      .Field("ran", counts.ran.load())
      .Field("replayed", counts.replayed.load())
      .Field("attached", counts.attached.load())
      .Field("in_flight", counts.in_flight.load())
      .Field("conflicts", counts.conflicts.load())
      .Field("unknown", counts.unknown.load())
      .Field("ended_unknown", runs_->ended_unknown())
      .Field("suspended", counts.suspended.load())
      .Field("shadow_first", counts.shadow_first.load())
      .Field("shadow_duplicates", counts.shadow_duplicates.load())
      .Field("shadow_conflicts", counts.shadow_conflicts.load());
  w.BeginArray("routes");
  const Routes routes = Now();
  for (const Route& route : routes->routes()) {
    constexpr const char* kNames[] = {"closed", "open", "half_open"};
    w.BeginObject()
        .Field("name", route.name)
        .Field("upstream", route.origin->Name())
        .Field("breaker", kNames[static_cast<int>(route.breaker->state(now))])
        .Field("breaker_opened", route.breaker->opened())
        .EndObject();
  }
  w.EndArray();
  return w.Take();
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/operations/access_log.h"

#include <algorithm>

#include "engine/keygen.h"
#include "server/json/json_writer.h"
#include "server/operations/thread_turn.h"
#include "server/wire/exchange.h"
#include "server/wire/wall_time.h"

namespace onced {
namespace {

constexpr size_t kKeyHashDigits = 12;

// What asks all the time: it would leave no room for what is looked for.
bool IsWatching(std::string_view route) {
  constexpr std::array<std::string_view, 5> kWatching = {"/livez", "/metrics", "/v1/status",
                                                         "/v1/requests", "/openapi.json"};
  return std::find(kWatching.begin(), kWatching.end(), route) != kWatching.end();
}

// Whose 503 is an answer.
bool AsksWhetherReady(std::string_view route) {
  return route == "/readyz" || route == "/readyz/*" || route == "/healthz";
}

std::string_view OutcomeOf(CameTo came_to, int status) {
  return NameOf(came_to == CameTo::kByStatus ? CameToOfStatus(status) : came_to);
}

}  // namespace

void AccessLog::Tell(Door door, CameTo came_to, const wire::Tag& tag,
                     std::chrono::nanoseconds took) {
  const bool failed = tag.status >= 500;
  // The gateway's routes have names of their own.
  const bool watches =
      door == Door::kApi && (AsksWhetherReady(tag.route) || (IsWatching(tag.route) && !failed));
  const bool tells_all = log_ != nullptr && terms_.lines == AccessLines::kAll;
  if (watches && (!tells_all || !log_->Wants(LogEvent::kProbe))) return;
  // At the gateway it is the service that it has waited for.
  const bool asked_to_wait = tag.waited && door == Door::kApi;
  const bool slow = terms_.slow.count() > 0 && took >= terms_.slow && !asked_to_wait;
  Seen seen{.at_ms = wire::UnixUs() / 1'000,
            .took_us = std::chrono::duration_cast<std::chrono::microseconds>(took).count(),
            .method = tag.method,
            .status = tag.status,
            .door = door,
            .came_to = came_to,
            .request_id = tag.request_id};
  seen.route_size = static_cast<uint8_t>(tag.route.copy(seen.route.data(), seen.route.size()));
  if (watches) return Say(LogEvent::kProbe, seen, tag);
  Mine().Put(seen);
  if (slow) slow_.Put(seen);
  if (log_ == nullptr || terms_.lines == AccessLines::kOff) return;
  if (failed) {
    Say(LogEvent::kRequestError, seen, tag);
  } else if (slow) {
    Say(LogEvent::kSlowRequest, seen, tag);
  } else if (terms_.lines == AccessLines::kAll) {
    Say(LogEvent::kRequest, seen, tag);
  }
}

void AccessLog::Say(LogEvent event, const Seen& seen, const wire::Tag& tag) {
  if (!log_->Wants(event)) return;
  const std::string key_hash =
      tag.key.empty() ? std::string() : Sha256Hex(tag.key).substr(0, kKeyHashDigits);
  const std::string_view msg = event == LogEvent::kRequestError  ? "a request failed"
                               : event == LogEvent::kSlowRequest ? "a request was slow"
                                                                 : "a request";
  log_->Say({.event = event,
             .msg = msg,
             .component = seen.door == Door::kApi ? "http" : NameOf(seen.door),
             .request_id = tag.request_id.text(),
             .trace_id = tag.trace.trace_id(),
             .span_id = tag.trace.span_id(),
             .trace_flags = tag.trace.flags(),
             .method = tag.method,
             .route = seen.RouteName(),
             .status = tag.status,
             .outcome = OutcomeOf(seen.came_to, seen.status),
             .duration_us = seen.took_us,
             .bytes_in = static_cast<int64_t>(tag.bytes_in),
             .bytes_out = static_cast<int64_t>(tag.bytes_out),
             .remote = tag.peer == nullptr ? std::string_view() : tag.peer->address,
             .upstream = tag.upstream,
             .key_hash = key_hash});
}

std::string_view AccessLog::Seen::RouteName() const {
  return route_size == 0 ? std::string_view("none") : std::string_view(route.data(), route_size);
}

void AccessLog::Ring::Put(const Seen& one) {
  MutexLock lock(mutex);
  seen[next++ % kKept] = one;
}

void AccessLog::Ring::CopyTo(std::vector<Seen>* out) const {
  MutexLock lock(mutex);
  // Newest first, so that those of one moment stay in order.
  for (uint64_t i = 0; i < std::min<uint64_t>(next, kKept); ++i) {
    out->push_back(seen[(next - 1 - i) % kKept]);
  }
}

AccessLog::Ring& AccessLog::Mine() { return recent_[ThreadTurn() % kShards]; }

std::string AccessLog::Json() const {
  const auto write = [](std::vector<Seen> all, const char* name, JsonWriter* w) {
    std::stable_sort(all.begin(), all.end(),
                     [](const Seen& a, const Seen& b) { return a.at_ms > b.at_ms; });
    if (all.size() > kKept) all.resize(kKept);
    w->BeginArray(name);
    for (const Seen& one : all) {
      w->BeginObject()
          .Field("at", InstantText(one.at_ms * 1'000, 3))
          .Field("door", NameOf(one.door))
          .Field("method", one.method)
          .Field("route", one.RouteName())
          .Field("status", one.status)
          .Field("outcome", OutcomeOf(one.came_to, one.status))
          .Field("duration_us", one.took_us)
          .Field("request_id", one.request_id.text())
          .EndObject();
    }
    w->EndArray();
  };
  std::vector<Seen> recent;
  for (const Ring& ring : recent_) ring.CopyTo(&recent);
  std::vector<Seen> slow;
  slow_.CopyTo(&slow);
  JsonWriter w(kKept * 400);
  write(std::move(recent), "recent", &w);
  write(std::move(slow), "slow", &w);
  return w.Take();
}

}  // namespace onced

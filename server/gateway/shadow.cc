// SPDX-License-Identifier: MIT
#include "server/gateway/shadow.h"

#include <utility>

namespace onced {
namespace {

std::optional<Key> ShadowKey(const Keyed& keyed) {
  const Result<Key> key =
      Key::Make(keyed.principal.tenant,
                "gw-shadow" + ScopeOf(*keyed.route, keyed.principal).substr(2), keyed.key);
  return key.ok() ? std::optional<Key>(*key) : std::nullopt;
}

}  // namespace

Shadow::Shadow(GatewayServices* services, const Keyed& keyed)
    : services_(services),
      route_(keyed.route),
      fingerprint_(keyed.fingerprint),
      key_(ShadowKey(keyed)),
      pass_(services, keyed.route, keyed.principal) {}

Shadow::~Shadow() {
  if (fence_.has_value()) (void)services_->ledger->Release(*key_, {.fence = *fence_});
}

void Shadow::Claim() {
  if (!key_.has_value()) return;
  const Result<Reply> reply =
      services_->ledger->Claim(*key_, {.fingerprint = fingerprint_,
                                       .lease_ms = route_->lease.count(),
                                       .retention_ms = route_->retention.count(),
                                       .holder = "gateway"});
  if (!reply.ok()) return;
  GatewayCounts& counts = services_->counts;
  const auto report = [&](const char* what) {
    services_->report(LogEvent::kShadow, "shadow: " + route_->name + ": " + what);
  };
  switch (reply->outcome) {
    case Outcome::kClaimed:
      counts.shadow_first.fetch_add(1, std::memory_order_relaxed);
      fence_ = reply->record->fence;
      break;
    case Outcome::kConflict:
      counts.shadow_conflicts.fetch_add(1, std::memory_order_relaxed);
      report("a key came again with another request; it would have been refused");
      break;
    case Outcome::kReplay:
      counts.shadow_duplicates.fetch_add(1, std::memory_order_relaxed);
      report("a request came again; it would have been replayed");
      break;
    default:
      counts.shadow_duplicates.fetch_add(1, std::memory_order_relaxed);
      report("a request came again while the first one ran; it would have waited");
  }
}

std::optional<Telling> Shadow::Ask(wire::Exchange& exchange) {
  if (services_->remote && exchange.place() == wire::Exchange::Place::kLoop) {
    exchange.GoToPool();
    return std::nullopt;
  }
  // Who only watches passes on what there is no room to look at.
  const bool may_look = exchange.place() != wire::Exchange::Place::kNoRoom;
  if (!claimed_yet_ && may_look) Claim();
  claimed_yet_ = true;
  std::optional<Telling> telling = pass_.Ask(exchange);
  if (telling.has_value() && fence_.has_value() && may_look) {
    const uint64_t fence = *std::exchange(fence_, std::nullopt);
    if (KeepOf(*route_, telling->status) == Keep::kRelease) {
      (void)services_->ledger->Release(*key_, {.fence = fence});
    } else {
      (void)services_->ledger->Complete(*key_, {.fence = fence});
    }
  }
  return telling;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// KeyedAsk: a request with a key: claims it, runs it or waits for who runs it, and tells the
// answer.
//
// Threads: see Asking.
// Invariants: 1. The order of checks is that of the wire contract: quota, then the record:
// conflict, replay, in flight, unknown; a breaker that is open refuses only what would begin.
// 2. Only the one whose claim won has a run, and it is told that run's own answer; all others
// are told the stored one.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "server/gateway/asking.h"
#include "server/gateway/breaker.h"

namespace onced {

// A request whose key is known.
struct Keyed {
  std::shared_ptr<const Route> route;
  Principal principal;
  std::string key;     // as the client meant it
  std::string header;  // that carried it; empty: the body did
  std::string fingerprint;
};

// The scope of the principal's keys on the route: "gw:<route's scope>:<32 hex digits>".
std::string ScopeOf(const Route& route, const Principal& principal);

class KeyedAsk : public Asking {
 public:
  // `key`: of `keyed`, in its scope.
  KeyedAsk(GatewayServices* services, Keyed keyed, Key key, wire::Exchange& exchange);
  ~KeyedAsk() override;

  std::optional<Telling> Ask(wire::Exchange& exchange) override;

 private:
  std::optional<Telling> Decide(wire::Exchange& exchange);
  std::optional<Telling> Claim(wire::Exchange& exchange);
  std::optional<Telling> Claimed(wire::Exchange& exchange, const Reply& reply);
  std::optional<Telling> AskRun(wire::Exchange& exchange);
  std::optional<Telling> Wait(wire::Exchange& exchange, const Reply& reply);
  std::optional<Telling> RefusedBegin(std::optional<std::chrono::milliseconds> away);
  std::optional<Telling> RefusedQuota();
  std::optional<Telling> UnlessKnown(Telling refusal);
  bool ReleasedByTime(const Reply& reply);
  Telling Told(Reply reply);
  Telling Problem(const char* code, const char* detail, int64_t retry_after_s = 0) const;
  UpstreamRequest RequestFor(wire::Exchange& exchange, uint64_t fence) const;

  GatewayServices* const services_;
  const Keyed keyed_;
  const Key key_;
  std::optional<int64_t> preference_s_;  // the client's own word on how long to wait
  std::chrono::steady_clock::time_point until_;
  std::unique_ptr<Waiter> waiter_;
  bool waited_ = false;
  CameTo came_to_ = CameTo::kByStatus;
  Breaker::Pass breaker_pass_ = Breaker::kNewest;
  std::shared_ptr<UpstreamRun> run_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Gateway: the door in front of a service that knows nothing of onced. A request with an
// Idempotency-Key runs once and is answered the same way ever after; everything else passes.
//
// Threads: Handle, Admits, Streams and Reload from any number of threads; Stop and the destructor
// from one, when the listener has stopped. Invariants: 1. It is judged by its head alone who sends
// a request, where it goes, and whether its key is well formed; no body of a stranger is waited
// for. 2. A target that a route and its upstream could read in two ways is not passed on.
// 3. A request goes by one table of routes, that of its moment, from its first ask to its end.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "server/gateway/asking.h"
#include "server/gateway/route.h"
#include "server/operations/metrics.h"
#include "server/wire/request_host.h"

namespace onced {

struct GatewayParts {
  Ledger* ledger = nullptr;                // must not wait at the gate
  const Doorkeeper* doorkeeper = nullptr;  // may be absent
  KeyQuota* quota = nullptr;
  bool tls = false;
  size_t memory_max = size_t{256} << 20;  // of the bodies of runs
  size_t upstream_connections_max = 1'000;
  uint64_t body_max = uint64_t{1} << 20;  // of a request that is read whole
  Report report;
};

class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> Start(GatewayOptions options, const GatewayParts& parts);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void Handle(httplib::Response& response, wire::Exchange& exchange);
  // See ListenerOptions::wants_body and ::streams.
  bool Admits(const wire::Request& head, const wire::Peer& peer);
  bool Streams(const wire::Request& head, const wire::Peer& peer);

  // From now on requests go by these. An upstream that is as it was keeps its breaker.
  void Reload(std::vector<Route> routes) EXCLUDES(mutex_);

  // When the listener has stopped. See UpstreamRuns::Stop; after a false this must not be
  // destroyed.
  bool Stop(std::chrono::milliseconds patience);

  // What it is doing, as a JSON object, for an admin.
  std::string StatusJson() const;
  // What it has done, into the tally of all doors, and how its upstreams are.
  void Observe(Observed* observed) const;

 private:
  struct Judged;
  Gateway(GatewayOptions options, const GatewayParts& parts);
  using Routes = std::shared_ptr<const RouteTable>;
  Routes Now() const EXCLUDES(mutex_);
  Judged Judge(const wire::Request& head, const wire::Peer& peer, const Routes& routes) const;
  Judged JudgeAgain(const wire::Exchange& exchange) const EXCLUDES(mutex_);
  std::optional<Telling> RefuseTarget(std::string_view target) const;
  std::optional<Telling> Identify(const wire::Request& head, const wire::Peer& peer,
                                  Principal* principal) const;
  std::optional<Telling> FindKey(const wire::Request& head, Judged* judged) const;
  std::optional<Telling> Begin(wire::Exchange& exchange);
  std::optional<Telling> BeginKeyed(wire::Exchange& exchange, Judged judged);

  const GatewayOptions options_;
  const uint64_t body_max_;
  mutable Mutex mutex_;
  Routes routes_ GUARDED_BY(mutex_);
  Routes before_ GUARDED_BY(mutex_);  // the last reload
  GatewayServices services_;
  std::unique_ptr<UpstreamRuns> runs_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Asking: one request to the gateway, from its first ask until it is told something. And what all
// of them share.
//
// Threads: an Asking is asked by one thread at a time, as handlers are; Services by any.
// Invariants: an Asking that goes away untold has taken back what nobody waits for any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "engine/ledger.h"
#include "server/access/caller.h"
#include "server/access/doorkeeper.h"
#include "server/access/key_quota.h"
#include "server/gateway/route.h"
#include "server/gateway/telling.h"
#include "server/gateway/upstream_run.h"
#include "server/operations/tally.h"
#include "server/wire/exchange.h"

namespace onced {

// Since this process started.
struct GatewayCounts {
  std::atomic<uint64_t> passed{0};  // without a key
  std::atomic<uint64_t> ran{0};     // first runs
  std::atomic<uint64_t> replayed{0};
  std::atomic<uint64_t> attached{0};   // of them, after waiting for the run
  std::atomic<uint64_t> in_flight{0};  // told to come again
  std::atomic<uint64_t> conflicts{0};
  std::atomic<uint64_t> unknown{0};
  std::atomic<uint64_t> suspended{0};  // by a breaker
  std::atomic<uint64_t> shadow_first{0};
  std::atomic<uint64_t> shadow_duplicates{0};
  std::atomic<uint64_t> shadow_conflicts{0};
};

struct GatewayServices {
  Ledger* ledger = nullptr;
  bool remote = false;  // the ledger's store: it may be asked on the pool only
  UpstreamRuns* runs = nullptr;
  const Doorkeeper* doorkeeper = nullptr;  // with principal token
  KeyQuota* quota = nullptr;               // with a doorkeeper
  bool tls = false;
  std::string principal_header;  // that says who asks; may be empty
  Report report;
  GatewayCounts counts;
};

// Who asks: whose keys, and which of them.
struct Principal {
  std::string tenant = "default";
  std::string name;              // what sets its keys apart within the tenant; may be empty
  std::optional<Caller> caller;  // with a token
  bool trusted = false;          // by a proxy whose word counts
};

class Asking : public wire::Kept {
 public:
  // nullopt: the exchange was parked, or goes to the pool.
  virtual std::optional<Telling> Ask(wire::Exchange& exchange) = 0;
};

}  // namespace onced

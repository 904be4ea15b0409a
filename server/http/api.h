// SPDX-License-Identifier: MIT
// Api: the HTTP door's handler: /v1, /api/payments, the probes and the dashboard. It maps a request
// to the ledger and the outcome to a response, and knows nothing of sockets.
//
// A call that must wait (wait_ms) keeps its waiter with the exchange, parks, and is asked again: it
// is a call that may answer "not yet", not a thread that sleeps.
//
// Threads: Handle from any number of threads; it never blocks, but for calls that Blocks() names,
// and, on a remote store, for those that ask it: on a loop they say so (Exchange::GoToPool).
// Invariants: every answer carries the sequence number that it must wait for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ledger.h"
#include "server/access/doorkeeper.h"
#include "server/access/key_quota.h"
#include "server/http/command_body.h"
#include "server/http/outcome.h"
#include "server/http/target.h"
#include "server/operations/log_event.h"
#include "server/operations/metrics.h"
#include "server/operations/tally.h"
#include "server/web/loopback_guard.h"
#include "server/web/readiness.h"
#include "server/wire/request_host.h"

namespace onced {

struct ApiOptions {
  CommandDefaults defaults;
  std::string version;
  std::string durability;      // as published: sync, interval or os
  wire::RequestLimits limits;  // as published
  WaiterLimits waiters;        // as published
  bool audit = true;
  // Who may call. Without one everybody is the admin of tenant "default", and `guard` is what keeps
  // strangers out.
  const Doorkeeper* doorkeeper = nullptr;
  KeyQuota* quota = nullptr;  // how many keys; with a doorkeeper
  PortGuard guard = PortGuard::kLoopback;
  std::function<std::vector<ReadyCheck>()> checks;  // of readiness; must wait for nothing
  std::function<int64_t()> now_ms;
  std::function<bool()> draining;
  std::function<std::string()> gateway_status;  // a JSON object; absent: there is no gateway
  std::function<Observed()> observe;
  std::function<std::string()> metrics;                     // as Prometheus reads them
  std::function<Status(const std::string& folder)> backup;  // absent: there are no files
  std::function<std::string()> requests;  // the last ones, a JSON object; see AccessLog
  Tally* tally = nullptr;                 // of the entries of batches; may be absent
  // A storage fault, to be told to the operator.
  Report report;
};

// openapi.json, which stands beside this file.
extern const std::string_view kOpenApi;

class Api {
 public:
  // The ledger must not wait at the gate, and must outlive this.
  Api(Ledger* ledger, ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void Handle(httplib::Response& response, wire::Exchange& exchange);

  // Whether a request, by its head, comes from somebody who may call: if not its answer is known.
  bool Admits(const wire::Request& head, const wire::Peer& peer) const;

  // Whether a request may take long: listings and histories read many rows.
  static bool Blocks(const wire::Request& request);
  // /livez and /readyz, with what belongs to it: answered from what was noted (ListenerOptions).
  static bool IsProbe(std::string_view path);

  // Method and pattern of all there are; '*' is one segment.
  static std::vector<std::pair<std::string_view, std::string_view>> Routes();

 private:
  // One request with its target taken apart.
  struct Call {
    const wire::Request& request;
    const Target& target;
    wire::Exchange& exchange;
    const Caller& caller;
    const std::string& tenant = caller.tenant;
  };
  struct Route;
  using CallHandler = Answer (Api::*)(Call&);

  Answer Dispatch(const wire::Request& request, wire::Exchange& exchange);
  static const Route* RoutesBegin();
  static const Route* RoutesEnd();

  // api.cc
  Answer WellKnown(Call& call);
  Answer Description(Call& call);
  Answer RequestsCall(Call& call);
  Answer BackupCall(Call& call);
  Answer Metrics(Call& call);
  Answer Liveness(Call& call);
  Answer Readiness(Call& call);
  Answer Keygen(Call& call);
  // status.cc
  Answer ServerStatus(Call& call);
  // dashboard.cc
  Answer Dashboard(Call& call);
  // command_calls.cc
  Answer ClaimCall(Call& call);
  Answer CommandCall(Call& call);
  Answer BatchCall(Call& call);
  // key_calls.cc
  Answer FindKey(Call& call);
  Answer KeyResult(Call& call);
  Answer KeyHistory(Call& call);
  Answer ListKeys(Call& call);
  Answer ForgetKey(Call& call);
  // payments.cc
  Answer CreatePayment(Call& call);
  Answer FindPayment(Call& call);
  Answer ListPayments(Call& call);

  // quota.cc
  // The refusal, if a command that begins a key may not begin this one.
  std::optional<Answer> RefuseBeyondQuota(const Caller& caller, const Key& key);
  Answer QuotaExceeded(const Caller& caller) const;
  void KeepAccount(const Caller& caller, const Key& key, int keys_change);

  Ledger* const ledger_;
  const bool remote_;
  const ApiOptions options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace onced

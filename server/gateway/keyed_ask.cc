// SPDX-License-Identifier: MIT
#include "server/gateway/keyed_ask.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/keygen.h"
#include "server/gateway/breaker.h"
#include "server/gateway/header_rules.h"
#include "server/gateway/http_date.h"
#include "server/web/idempotency_key.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kPrincipalHex = 32;
constexpr milliseconds kBeyondDeadline{1'000};

// RFC 7240, 4.3. What is not understood is as not there.
std::optional<int64_t> WaitPreference(const wire::Request& request) {
  constexpr std::string_view kWait = "wait=";
  for (const auto& [name, value] : request.headers) {
    if (!wire::SameName(name, "Prefer")) continue;
    size_t at = value.find(kWait);
    const bool begins =
        at != std::string::npos && (at == 0 || value[at - 1] == ' ' || value[at - 1] == ',');
    if (!begins) continue;
    at += kWait.size();
    int64_t seconds = 0;
    const auto read = std::from_chars(value.data() + at, value.data() + value.size(), seconds);
    if (read.ec == std::errc() && seconds >= 0) return std::min(seconds, kWaitMaxMs / 1000);
  }
  return std::nullopt;
}

// The same key always gives the same; without the secret nobody can tell which it was.
std::string DerivedBy(const std::string& secret, std::string_view key) {
  constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data(), &size);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

}  // namespace

std::string ScopeOf(const Route& route, const Principal& principal) {
  const std::string& scope = route.scope.empty() ? route.name : route.scope;
  const auto digest = [](std::string_view name) {
    return Sha256Hex(name).substr(0, kPrincipalHex);
  };
  static const std::string nobody = digest("");  // who all are where nobody is told apart
  return "gw:" + scope + ":" + (principal.name.empty() ? nobody : digest(principal.name));
}

KeyedAsk::KeyedAsk(GatewayServices* services, Keyed keyed, Key key, wire::Exchange& exchange)
    : services_(services),
      keyed_(std::move(keyed)),
      key_(std::move(key)),
      preference_s_(WaitPreference(exchange.request())) {
  const milliseconds wait =
      preference_s_.has_value() ? milliseconds(*preference_s_ * 1000) : keyed_.route->wait;
  until_ = exchange.begun() + wait;
}

KeyedAsk::~KeyedAsk() {
  if (run_ != nullptr) run_->Abandon();
}

std::optional<Telling> KeyedAsk::Ask(wire::Exchange& exchange) {
  std::optional<Telling> telling;
  if (run_ != nullptr) {
    telling = AskRun(exchange);
  } else if (services_->remote && exchange.place() == wire::Exchange::Place::kLoop) {
    exchange.GoToPool();
  } else if (exchange.place() == wire::Exchange::Place::kNoRoom) {
    telling =
        Problem("overloaded", "too many wait for the store; nothing was sent on; try again", 1);
  } else {
    telling = Decide(exchange);
  }
  if (!telling.has_value()) return std::nullopt;
  exchange.Mark(static_cast<uint8_t>(came_to_));
  std::erase_if(telling->headers,
                [](const auto& header) { return wire::SameName(header.first, kKeyHeader); });
  telling->headers.emplace_back(kKeyHeader, keyed_.key);
  if (preference_s_.has_value()) {
    telling->headers.emplace_back("Preference-Applied", "wait=" + std::to_string(*preference_s_));
  }
  return telling;
}

std::optional<Telling> KeyedAsk::AskRun(wire::Exchange& exchange) {
  std::optional<Telling> telling = run_->box().Fetch(exchange.Waker());
  if (telling.has_value()) return telling;
  // Also while stopping: the run ends by its deadline, and its client is the one who must hear of
  // it.
  exchange.Park(keyed_.route->deadline + kBeyondDeadline);
  return std::nullopt;
}

std::optional<Telling> KeyedAsk::Decide(wire::Exchange& exchange) {
  if (std::optional<Telling> refused = RefusedQuota()) return refused;
  Breaker& breaker = *keyed_.route->breaker;
  const std::optional<milliseconds> away = breaker.RefusedFor(steady_clock::now(), &breaker_pass_);
  std::optional<Telling> telling;
  if (away.has_value() || services_->runs->full()) telling = RefusedBegin(away);
  if (!telling.has_value()) telling = Claim(exchange);
  if (run_ == nullptr && !away.has_value()) {
    breaker.Forgotten(steady_clock::now(), breaker_pass_);
  }
  return telling;
}

std::optional<Telling> KeyedAsk::RefusedBegin(std::optional<milliseconds> away) {
  if (!away.has_value()) {
    return UnlessKnown(Problem("overloaded", "too many bytes are in flight; try again", 1));
  }
  std::optional<Telling> refused =
      UnlessKnown(ProblemTelling(keyed_.route->profile, UpstreamSuspended(*away)));
  if (refused.has_value()) services_->counts.suspended.fetch_add(1, std::memory_order_relaxed);
  return refused;
}

// Nothing new can begin: what is already there is told all the same.
std::optional<Telling> KeyedAsk::UnlessKnown(Telling refusal) {
  const Result<FoundReply> found = services_->ledger->Find(key_);
  if (!found.ok()) return FaultTelling(keyed_.route->profile, found.status());
  if (found->record.has_value()) return std::nullopt;
  refusal.sequence = found->sequence;
  return refusal;
}

std::optional<Telling> KeyedAsk::Claim(wire::Exchange& exchange) {
  const Route& route = *keyed_.route;
  const ClaimCommand claim{.fingerprint = keyed_.fingerprint,
                           .lease_ms = route.lease.count(),
                           .retention_ms = route.retention.count(),
                           .on_lapse = OnLapse::kUnknown,
                           .holder = "gateway",
                           .local = true};
  const Waiter* waiter = exchange.may_park() ? waiter_.get() : nullptr;
  Result<Reply> reply = services_->ledger->Claim(key_, claim, waiter);
  if (reply.ok() && reply->outcome == Outcome::kUnknown && ReleasedByTime(*reply)) {
    reply = services_->ledger->Claim(key_, claim, waiter);
  }
  if (!reply.ok()) return FaultTelling(route.profile, reply.status());
  if (services_->quota != nullptr && keyed_.principal.caller.has_value() &&
      keyed_.principal.caller->keys_max.has_value()) {
    services_->quota->Change(key_.tenant(), reply->keys_change);
  }
  if (reply->outcome == Outcome::kClaimed) return Claimed(exchange, *reply);
  if (reply->outcome == Outcome::kInFlight) {
    // Few requests come to wait, so only these are given what it takes.
    const bool waits = exchange.may_park() && std::chrono::steady_clock::now() < until_;
    if (waiter_ == nullptr && waits) {
      waiter_ = services_->ledger->NewWaiter(key_, /*claims=*/true, exchange.Waker());
      return Claim(exchange);
    }
    return Wait(exchange, *reply);
  }
  return Told(*std::move(reply));
}

std::optional<Telling> KeyedAsk::Claimed(wire::Exchange& exchange, const Reply& reply) {
  services_->counts.ran.fetch_add(1, std::memory_order_relaxed);
  waiter_.reset();
  came_to_ = CameTo::kExecuted;
  if (!exchange.trace().is_there()) exchange.BeginTrace();
  const uint64_t fence = reply.record->fence;
  run_ = services_->runs->Begin({.route = keyed_.route,
                                 .key = key_,
                                 .fence = fence,
                                 .sequence = reply.sequence,
                                 .breaker_pass = breaker_pass_,
                                 .request = RequestFor(exchange, fence)});
  return AskRun(exchange);
}

std::optional<Telling> KeyedAsk::Wait(wire::Exchange& exchange, const Reply& reply) {
  if (reply.waiting && exchange.may_park()) {
    const milliseconds time = Ledger::UntilNextAsk(reply, until_);
    if (time.count() > 0) {
      waited_ = true;
      exchange.Park(time);
      return std::nullopt;
    }
  }
  services_->counts.in_flight.fetch_add(1, std::memory_order_relaxed);
  came_to_ = CameTo::kInFlight;
  // When it may have ended, by how long such runs take.
  const int64_t left_ms = services_->runs->UsualTime(*keyed_.route).count() -
                          (reply.now_ms - reply.record->claimed_at_ms);
  Telling telling = Problem("idempotency_in_flight",
                            "the first request with this key has not finished; send this one "
                            "again, with the same key",
                            RetryAfterS(left_ms));
  telling.sequence = reply.sequence;
  return telling;
}

// An operator has said for how long an outcome that nobody resolved is worth waiting for.
bool KeyedAsk::ReleasedByTime(const Reply& reply) {
  const int64_t after = keyed_.route->unknown_release_after.count();
  if (after == 0 || reply.record->unknown_at_ms == 0 ||
      reply.now_ms < reply.record->unknown_at_ms + after) {
    return false;
  }
  const Result<Reply> resolved = services_->ledger->Resolve(key_, {.completed = false});
  if (!resolved.ok() || resolved->outcome != Outcome::kResolved) return false;
  if (services_->quota != nullptr) {
    services_->quota->Change(key_.tenant(), resolved->keys_change);
  }
  return true;
}

Telling KeyedAsk::Told(Reply reply) {
  came_to_ = CameToOf(reply.outcome, reply.record);
  GatewayCounts& counts = services_->counts;
  Telling telling;
  if (reply.outcome == Outcome::kReplay) {
    counts.replayed.fetch_add(1, std::memory_order_relaxed);
    if (waited_) counts.attached.fetch_add(1, std::memory_order_relaxed);
    telling = ReplayTelling(keyed_.route->profile, *reply.record, reply.now_ms, waited_);
    telling.headers.emplace_back("Idempotency-Expires", HttpDate(reply.record->DeadAtMs()));
  } else if (reply.outcome == Outcome::kConflict) {
    counts.conflicts.fetch_add(1, std::memory_order_relaxed);
    telling = Problem("idempotency_conflict",
                      "this key was used with another request; a key MUST not be reused across "
                      "different payloads of this operation");
  } else {
    counts.unknown.fetch_add(1, std::memory_order_relaxed);
    telling = Problem("idempotency_outcome_unknown",
                      "the request with this key was sent on, and what became of it is not known; "
                      "it will not be sent again until this is resolved");
    telling.headers.emplace_back("Idempotency-Status", "unknown");
  }
  telling.sequence = reply.sequence;
  return telling;
}

std::optional<Telling> KeyedAsk::RefusedQuota() {
  if (services_->quota == nullptr || !keyed_.principal.caller.has_value()) return std::nullopt;
  const Caller& caller = *keyed_.principal.caller;
  if (services_->quota->Room(caller) > 0) return std::nullopt;
  return UnlessKnown(Problem("quota_exceeded",
                             "this tenant has as many live keys as it may; some must end first",
                             services_->quota->RetryAfter(caller).count()));
}

Telling KeyedAsk::Problem(const char* code, const char* detail, int64_t retry_after_s) const {
  return ProblemTelling(keyed_.route->profile,
                        {.code = code, .detail = detail, .retry_after_s = retry_after_s});
}

UpstreamRequest KeyedAsk::RequestFor(wire::Exchange& exchange, uint64_t fence) const {
  const Route& route = *keyed_.route;
  std::string key;
  std::string header = keyed_.header;
  switch (route.downstream_key) {
    case DownstreamKey::kPass:
      key = exchange.request().Header(header);  // byte for byte
      break;
    case DownstreamKey::kDerive:
      key = DerivedBy(route.derive_secret, keyed_.key);
      if (header.empty()) header = kKeyHeader;
      break;
    case DownstreamKey::kDrop:
      break;
  }
  // Under whatever name it came.
  std::vector<std::string> hidden;
  if (route.downstream_key != DownstreamKey::kPass) {
    hidden = route.key_headers;
    hidden.emplace_back(kKeyHeader);
  }
  return {.origin = route.origin,
          .method = exchange.request().method,
          .target = exchange.request().target,
          .headers = HeadersForUpstream(exchange.request(), exchange.peer(),
                                        {.tls = services_->tls,
                                         .trusted = keyed_.principal.trusted,
                                         .key_header = header,
                                         .key = key,
                                         .principal_header = services_->principal_header,
                                         .hidden = hidden,
                                         .request_id = exchange.request_id().text(),
                                         .trace = exchange.trace(),
                                         .fence = std::to_string(fence),
                                         .drop_authorization = keyed_.principal.caller.has_value(),
                                         .identity = true}),
          .body = exchange.request().body,
          .deadline = route.deadline};
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/gateway/gateway.h"

#include <httplib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "server/gateway/breaker.h"
#include "server/gateway/clear_target.h"
#include "server/gateway/fingerprint.h"
#include "server/gateway/header_rules.h"
#include "server/gateway/keyed_ask.h"
#include "server/gateway/pass.h"
#include "server/gateway/shadow.h"
#include "server/json/json_pointer.h"
#include "server/web/credentials.h"
#include "server/web/idempotency_key.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

Telling Refusal(const Route* route, const char* code, std::string detail) {
  return ProblemTelling(route == nullptr ? Profile::kProxySafe : route->profile,
                        {.code = code, .detail = std::move(detail)});
}

Telling FromAnswer(Answer answer) {
  answer.headers.emplace_back("Content-Type", answer.type);
  return {.status = answer.status,
          .headers = std::move(answer.headers),
          .body = std::move(answer.body)};
}

bool HasLowerCase(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

bool MayCarryKey(const Route& route, const std::string& method) {
  return std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end();
}

// The key in the body, for routes that look there. Empty: there is none. InvalidArgument: something
// stands in its place that is no key, or more than one thing; to pass that on as if there were none
// would be to run it as often as it comes.
Result<std::string> KeyInBody(const Route& route, std::string_view body) {
  if (!route.key_pointer.has_value() || !ValidateJson(body).ok()) return std::string();
  const std::string where = "in the body at " + route.key_pointer->text() + ": ";
  const Result<std::optional<JsonValue>> value = ValueAt(body, *route.key_pointer);
  if (!value.ok()) return Status::InvalidArgument(where + value.status().message());
  if (!value->has_value() || (*value)->kind == JsonKind::kNull) return std::string();
  std::string key;
  if ((*value)->kind == JsonKind::kString) key = DecodeJsonString((*value)->raw);
  if ((*value)->kind == JsonKind::kInteger) key = std::string((*value)->raw);
  if (key.empty()) return Status::InvalidArgument(where + "must be a string or a whole number");
  return key;
}

void WriteTelling(Telling telling, httplib::Response& response, wire::Exchange& exchange) {
  exchange.HoldUntil(telling.sequence);
  exchange.AnswerAsIs(std::move(telling.headers));
  response.status = telling.status;
  const bool no_body = exchange.request().method == "HEAD" || telling.status == 304;
  if (no_body && telling.length.has_value()) exchange.ClaimLength(*telling.length);
  if (telling.pipe != nullptr) {
    exchange.StreamAnswer(std::move(telling.pipe), telling.length);
  } else {
    response.body = std::move(telling.body);
  }
}

}  // namespace

// What a request's head says of it.
struct Gateway::Judged {
  enum class Way : uint8_t { kRefused, kPasses, kIsKeyed, kMayBeKeyed };
  Way way = Way::kRefused;
  std::shared_ptr<const Route> route;
  Principal principal;
  std::string key;
  std::string key_header;
  Telling refusal;
};

Gateway::Gateway(GatewayOptions options, const GatewayParts& parts)
    : options_(std::move(options)),
      body_max_(parts.body_max),
      routes_(std::make_shared<const RouteTable>(options_.routes)),
      before_(routes_) {
  services_.ledger = parts.ledger;
  services_.remote = parts.ledger->is_remote();
  services_.doorkeeper = parts.doorkeeper;
  services_.quota = parts.quota;
  services_.tls = parts.tls;
  services_.principal_header = options_.principal_header;
  services_.report = parts.report;
}

Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::Start(GatewayOptions options, const GatewayParts& parts) {
  Result<std::unique_ptr<Upstreams>> upstreams = Upstreams::Start(parts.upstream_connections_max);
  if (!upstreams.ok()) return upstreams.status();
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(options), parts));
  gateway->runs_ = std::make_unique<UpstreamRuns>(
      parts.ledger, std::move(*upstreams), gateway->options_.routes,
      RunTerms{.quota = parts.quota, .memory_max = parts.memory_max, .report = parts.report});
  gateway->services_.runs = gateway->runs_.get();
  return gateway;
}

bool Gateway::Stop(milliseconds patience) { return runs_->Stop(patience); }

std::optional<Telling> Gateway::RefuseTarget(std::string_view target) const {
  const char* const fault = FaultOfTarget(target, options_.raw_targets);
  if (fault == nullptr) return std::nullopt;
  return Refusal(nullptr, "invalid_request", fault);
}

// Fills in who asks, or says why that is nobody.
std::optional<Telling> Gateway::Identify(const wire::Request& head, const wire::Peer& peer,
                                         Principal* principal) const {
  const std::vector<std::string>& proxies = options_.trusted_proxies;
  principal->trusted = std::find(proxies.begin(), proxies.end(), peer.address) != proxies.end();
  switch (options_.principal) {
    case PrincipalSource::kUnset:
    case PrincipalSource::kNone:
      return std::nullopt;
    case PrincipalSource::kCertificate:
      principal->name = peer.certificate_subject;
      return std::nullopt;
    case PrincipalSource::kToken: {
      const std::shared_ptr<const TokenBook> book = services_.doorkeeper->Book();
      Identity identity = onced::Identify(*book, head, peer);
      if (identity.refused.has_value()) return FromAnswer(*std::move(identity.refused));
      principal->tenant = identity.caller->tenant;
      principal->caller = *identity.caller;
      return std::nullopt;
    }
    case PrincipalSource::kHeader:
      break;
  }
  if (!proxies.empty() && !principal->trusted) {
    return Refusal(nullptr, "forbidden", "only the proxy in front of this may send requests here");
  }
  bool found = false;
  for (const auto& [name, value] : head.headers) {
    if (!wire::SameName(name, options_.principal_header)) continue;
    if (found) {
      return Refusal(nullptr, "invalid_request",
                     options_.principal_header + ": given more than once");
    }
    found = true;
    principal->name = value;
  }
  return std::nullopt;
}

// Fills in the key and the header that has it, or says what is wrong with it.
std::optional<Telling> Gateway::FindKey(const wire::Request& head, Judged* judged) const {
  std::vector<std::string> names = {kKeyHeader};
  names.insert(names.end(), judged->route->key_headers.begin(), judged->route->key_headers.end());
  for (const std::string& name : names) {
    Result<std::optional<std::string>> key = KeyInHeader(head, name.c_str());
    if (!key.ok()) {
      return Refusal(judged->route.get(), "idempotency_key_invalid", key.status().message());
    }
    if (!key->has_value()) continue;
    if (!judged->key.empty() && judged->key != **key) {
      return Refusal(judged->route.get(), "idempotency_key_invalid",
                     name + ": is another key than " + judged->key_header + " has");
    }
    if (judged->key.empty()) {
      judged->key = **std::move(key);
      judged->key_header = name;
    }
  }
  return std::nullopt;
}

Gateway::Judged Gateway::Judge(const wire::Request& head, const wire::Peer& peer,
                               const Routes& routes) const {
  Judged judged;
  const auto refused = [&judged](std::optional<Telling> refusal) {
    if (!refusal.has_value()) return false;
    judged.refusal = *std::move(refusal);
    return true;
  };
  if (refused(RefuseTarget(head.target))) return judged;
  // A method is what it is spelt (RFC 9110, 9.1); but services are about that will take "post" for
  // POST, and then its key would have been passed by.
  if (HasLowerCase(head.method)) {
    judged.refusal = Refusal(nullptr, "invalid_request", "method: must be in capitals");
    return judged;
  }
  if (head.method == "TRACE") {  // it would show the client what was added for the upstream
    judged.refusal = Refusal(nullptr, "not_implemented", "TRACE is not passed on");
    return judged;
  }
  if (WentInACircle(head)) {
    judged.refusal = Refusal(nullptr, "loop_detected", "the service behind this gateway is itself");
    return judged;
  }
  if (std::optional<std::string> offence = OffenceInConnection(head)) {
    judged.refusal = Refusal(nullptr, "invalid_request", *std::move(offence));
    return judged;
  }
  if (refused(Identify(head, peer, &judged.principal))) return judged;
  // Whoever holds the route holds the table that it is in.
  judged.route = {routes, routes->Find(head.target)};
  if (judged.route == nullptr) {
    judged.refusal = Refusal(nullptr, "not_found", "no route of the gateway begins this path");
    return judged;
  }
  judged.way = Judged::Way::kPasses;
  if (!MayCarryKey(*judged.route, head.method)) return judged;
  if (refused(FindKey(head, &judged))) {
    judged.way = Judged::Way::kRefused;
  } else if (!judged.key.empty()) {
    judged.way = Judged::Way::kIsKeyed;
  } else if (judged.route->key_pointer.has_value()) {
    judged.way = Judged::Way::kMayBeKeyed;
  } else if (judged.route->key_required) {
    judged.way = Judged::Way::kRefused;
    judged.refusal =
        Refusal(judged.route.get(), "idempotency_key_required",
                "This operation is idempotent and it requires correct usage of Idempotency Key.");
  }
  // A route that only watches refuses nothing: what is too large to be looked at passes unseen.
  const bool large = head.body_length < 0 || static_cast<uint64_t>(head.body_length) > body_max_;
  if (judged.route->shadow && (large || judged.way == Judged::Way::kRefused)) {
    judged.way = Judged::Way::kPasses;
  }
  return judged;
}

bool Gateway::Admits(const wire::Request& head, const wire::Peer& peer) {
  return Judge(head, peer, Now()).way != Judged::Way::kRefused;
}

bool Gateway::Streams(const wire::Request& head, const wire::Peer& peer) {
  return Judge(head, peer, Now()).way == Judged::Way::kPasses;
}

Gateway::Routes Gateway::Now() const {
  MutexLock lock(mutex_);
  return routes_;
}

// The same that its head was judged by; but the routes may have changed since. Then what was done
// with its body must still be right: one that is passed on while it comes cannot be run by its key,
// and one whose head was refused has none.
Gateway::Judged Gateway::JudgeAgain(const wire::Exchange& exchange) const {
  using enum Judged::Way;
  const wire::Request& request = exchange.request();
  const bool streams = exchange.body_pipe() != nullptr;
  const bool bare = !streams && request.body.empty() && request.body_length != 0;
  const auto fits = [&](const Judged& judged) {
    if (judged.way == kRefused) return true;
    return streams ? judged.way == kPasses : !bare;
  };
  Judged judged = Judge(request, exchange.peer(), Now());
  if (fits(judged)) return judged;
  Routes before;
  {
    MutexLock lock(mutex_);
    before = before_;
  }
  Judged earlier = Judge(request, exchange.peer(), before);
  if (fits(earlier)) return earlier;
  if (bare && request.body_length < 0) return judged;  // chunks, and nothing in them
  judged.way = kRefused;
  judged.refusal = Refusal(nullptr, "overloaded", "the routes have just changed; send it again");
  return judged;
}

void Gateway::Reload(std::vector<Route> routes) {
  const Routes now = Now();
  // One breaker for one upstream, as the new table has it, and none for two.
  std::map<const Breaker*, std::shared_ptr<Breaker>> kept;
  std::set<const Breaker*> taken;
  for (const Route& route : routes) {
    for (const Route& old : now->routes()) {
      const bool same = old.name == route.name && *old.origin == *route.origin &&
                        old.breaker->limits() == route.breaker->limits();
      if (!same || kept.contains(route.breaker.get())) continue;
      if (taken.insert(old.breaker.get()).second) kept[route.breaker.get()] = old.breaker;
    }
  }
  for (Route& route : routes) {
    const auto found = kept.find(route.breaker.get());
    if (found != kept.end()) route.breaker = found->second;
  }
  runs_->Expect(routes);
  MutexLock lock(mutex_);
  before_ = routes_;
  routes_ = std::make_shared<const RouteTable>(std::move(routes));
}

std::optional<Telling> Gateway::Begin(wire::Exchange& exchange) {
  Judged judged = JudgeAgain(exchange);
  // One that came and is none begins anew.
  if (!exchange.trace().is_there() &&
      !exchange.request().Header(wire::kTraceParentHeader).empty()) {
    exchange.BeginTrace();
  }
  if (judged.route != nullptr) {
    exchange.Takes(judged.route->name, judged.route->origin->Shown(), judged.route);
  }
  switch (judged.way) {
    case Judged::Way::kRefused:
      return std::move(judged.refusal);
    case Judged::Way::kPasses:
      exchange.kept = std::make_unique<Pass>(&services_, judged.route, std::move(judged.principal));
      return std::nullopt;
    case Judged::Way::kIsKeyed:
    case Judged::Way::kMayBeKeyed:
      break;
  }
  return BeginKeyed(exchange, std::move(judged));
}

std::optional<Telling> Gateway::BeginKeyed(wire::Exchange& exchange, Judged judged) {
  const Route& route = *judged.route;
  if (judged.key.empty()) {
    Result<std::string> found = KeyInBody(route, exchange.request().body);
    if (!found.ok() && !route.shadow) {
      return Refusal(&route, "idempotency_key_invalid", found.status().message());
    }
    if (found.ok()) judged.key = *std::move(found);
    if (judged.key.empty() && route.key_required && !route.shadow) {
      return Refusal(&route, "idempotency_key_required",
                     "This operation is idempotent and it requires correct usage of Idempotency "
                     "Key, in a header or in the body at " +
                         route.key_pointer->text() + ".");
    }
    if (judged.key.empty()) {
      exchange.kept =
          std::make_unique<Pass>(&services_, std::move(judged.route), std::move(judged.principal));
      return std::nullopt;
    }
  }
  const bool nobodys =
      options_.principal == PrincipalSource::kHeader && judged.principal.name.empty();
  if (nobodys && !route.shadow) {
    return Refusal(&route, "invalid_request",
                   options_.principal_header + ": says nobody; whose key it is must be known");
  }
  exchange.IsAbout(judged.key);
  Result<Key> key =
      Key::Make(judged.principal.tenant, ScopeOf(route, judged.principal), judged.key);
  if (!key.ok()) return Refusal(&route, "idempotency_key_invalid", key.status().message());
  Keyed keyed{.route = judged.route,
              .principal = std::move(judged.principal),
              .key = std::move(judged.key),
              .header = std::move(judged.key_header),
              .fingerprint = FingerprintOf(exchange.request(), route.fingerprint)};
  if (route.shadow) {
    exchange.kept = std::make_unique<Shadow>(&services_, keyed);
  } else {
    exchange.kept =
        std::make_unique<KeyedAsk>(&services_, std::move(keyed), *std::move(key), exchange);
  }
  return std::nullopt;
}

void Gateway::Handle(httplib::Response& response, wire::Exchange& exchange) {
  std::optional<Telling> telling;
  if (exchange.kept == nullptr) telling = Begin(exchange);
  if (!telling.has_value()) {
    telling = static_cast<Asking&>(*exchange.kept).Ask(exchange);
    if (!telling.has_value()) return;
  }
  // A remote store that says so cannot be reached: asking it again and again would not help it.
  const bool again = telling->stalled && !services_.remote;
  if (again && exchange.Stall(kStallPause, kStallPatience)) return;
  if (!telling->for_operator.empty()) {
    services_.report(LogEvent::kStorageFault, telling->for_operator);
  }
  WriteTelling(*std::move(telling), response, exchange);
}

}  // namespace onced

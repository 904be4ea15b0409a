// SPDX-License-Identifier: MIT
#include "server/http/api.h"

#include <httplib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/keygen.h"
#include "server/json/canonical_json.h"
#include "server/json/json_writer.h"
#include "server/web/credentials.h"

namespace onced {
namespace {

// Who calls where there are no tokens.
const Caller kWithoutTokens{.tenant = "default", .role = Role::kAdmin};
constexpr size_t kPrefixMax = 128;
constexpr std::string_view kBackupPath = "/v1/backup";
constexpr size_t kQuickBodyBytes = 4 * 1024;  // more may mean a hundred claims, or much to sort

Answer NoSuchRoute(const std::string& allowed) {
  if (allowed.empty()) return ProblemOf("not_found", "there is nothing at this path");
  Answer answer = ProblemOf("method_not_allowed", "this path takes " + allowed);
  answer.headers.emplace_back("Allow", allowed);
  return answer;
}

}  // namespace

struct Api::Route {
  enum class For : uint8_t { kCaller, kAdmin, kAnybody };

  enum class Work : uint8_t {
    kStore,   // asks the store for a key or two
    kRows,    // for many, which may take long anywhere
    kMemory,  // does not ask it
    kLong,    // likewise, and may take long
  };
  bool asks_store() const { return work == Work::kStore || work == Work::kRows; }
  bool blocks() const { return work == Work::kRows || work == Work::kLong; }

  std::string_view method;
  std::string_view pattern;
  CallHandler handler;
  Work work = Work::kStore;
  For whom = For::kCaller;
};

// In the order of the README. Few enough that looking through them costs less than a hash.
static constexpr size_t kRouteCount = 36;
const Api::Route* Api::RoutesBegin() {
  using enum Route::For;
  using enum Route::Work;
  static constexpr std::array<Route, kRouteCount> kRoutes = {{
      {"POST", "/v1/claim", &Api::ClaimCall},
      {"POST", "/v1/complete", &Api::CommandCall},
      {"POST", "/v1/release", &Api::CommandCall},
      {"POST", "/v1/renew", &Api::CommandCall},
      {"POST", "/v1/mark-unknown", &Api::CommandCall},
      {"POST", "/v1/resolve", &Api::CommandCall, kStore, kAdmin},
      {"POST", "/v1/batch", &Api::BatchCall, kRows},
      {"GET", "/v1/keys/*", &Api::FindKey},
      {"GET", "/v1/keys/*/result", &Api::KeyResult},
      {"GET", "/v1/keys/*/history", &Api::KeyHistory, kRows},
      {"GET", "/v1/keys", &Api::ListKeys, kRows},
      {"DELETE", "/v1/keys/*", &Api::ForgetKey, kStore, kAdmin},
      {"POST", "/v1/keygen", &Api::Keygen, kLong},
      {"GET", "/.well-known/idempotency", &Api::WellKnown, kMemory, kAnybody},
      {"POST", "/api/payments", &Api::CreatePayment},
      {"GET", "/api/payments/*", &Api::FindPayment},
      {"GET", "/api/payments", &Api::ListPayments, kRows},
      {"GET", "/v1/status", &Api::ServerStatus, kMemory, kAdmin},
      {"GET", "/v1/requests", &Api::RequestsCall, kLong, kAdmin},
      {"GET", "/openapi.json", &Api::Description, kMemory, kAnybody},
      {"GET", "/metrics", &Api::Metrics, kLong, kAdmin},
      {"POST", kBackupPath, &Api::BackupCall, kLong, kAdmin},
      {"GET", "/livez", &Api::Liveness, kMemory, kAnybody},
      {"GET", "/readyz", &Api::Readiness, kMemory, kAnybody},
      {"GET", "/readyz/*", &Api::Readiness, kMemory, kAnybody},
      {"GET", "/healthz", &Api::Readiness, kMemory, kAnybody},
      {"HEAD", "/livez", &Api::Liveness, kMemory, kAnybody},
      {"HEAD", "/readyz", &Api::Readiness, kMemory, kAnybody},
      {"HEAD", "/readyz/*", &Api::Readiness, kMemory, kAnybody},
      {"HEAD", "/healthz", &Api::Readiness, kMemory, kAnybody},
      {"GET", "/", &Api::Dashboard, kMemory, kAnybody},
      {"HEAD", "/", &Api::Dashboard, kMemory, kAnybody},
      {"GET", "/dashboard", &Api::Dashboard, kMemory, kAnybody},
      {"HEAD", "/dashboard", &Api::Dashboard, kMemory, kAnybody},
      {"GET", "/dashboard/*", &Api::Dashboard, kMemory, kAnybody},
      {"HEAD", "/dashboard/*", &Api::Dashboard, kMemory, kAnybody},
  }};
  return kRoutes.data();
}
const Api::Route* Api::RoutesEnd() { return RoutesBegin() + kRouteCount; }

Api::Api(Ledger* ledger, ApiOptions options)
    : ledger_(ledger), remote_(ledger->is_remote()), options_(std::move(options)) {}
Api::~Api() = default;

bool Api::Admits(const wire::Request& head, const wire::Peer& peer) const {
  if (options_.doorkeeper == nullptr) return true;
  const std::shared_ptr<const TokenBook> book = options_.doorkeeper->Book();
  return !Identify(*book, head, peer).refused.has_value();
}

bool Api::Blocks(const wire::Request& request) {
  // Asked for every request, so the common ones are told apart without taking the target to pieces.
  // As it stands in the table: a target may be written in other ways, which are looked at below.
  const bool plain = request.target.find_first_of("?%") == std::string::npos;
  const bool quick = request.body.size() <= kQuickBodyBytes && request.target != kBackupPath;
  if (request.method == "POST" && plain && quick) return false;
  const Result<Target> target = Target::Parse(request.target);
  return target.ok() && std::any_of(RoutesBegin(), RoutesEnd(), [&](const Route& route) {
           return route.blocks() && route.method == request.method && target->Is(route.pattern);
         });
}

bool Api::IsProbe(std::string_view path) {
  return path == "/livez" || path == "/readyz" || path == "/healthz" ||
         path.starts_with("/readyz/");
}

Answer Api::Dispatch(const wire::Request& request, wire::Exchange& exchange) {
  if (std::optional<Answer> refused = RefuseForeign(request, options_.guard)) {
    return *std::move(refused);
  }
  const Result<Target> target = Target::Parse(request.target);
  if (!target.ok()) return FaultAnswer(target.status());
  const Route* found = nullptr;
  std::string allowed;
  for (const Route* route = RoutesBegin(); found == nullptr && route != RoutesEnd(); ++route) {
    if (!target->Is(route->pattern)) continue;
    if (route->method == request.method) found = route;
    allowed.append(allowed.empty() ? "" : ", ").append(route->method);
  }
  if (found != nullptr) exchange.Takes(found->pattern);
  std::shared_ptr<const TokenBook> book;  // keeps the caller
  Identity identity{.caller = &kWithoutTokens};
  const bool asks_who = found == nullptr || found->whom != Route::For::kAnybody;
  if (options_.doorkeeper != nullptr && asks_who) {
    book = options_.doorkeeper->Book();
    identity = Identify(*book, request, exchange.peer());
    if (identity.refused.has_value()) return *std::move(identity.refused);
  }
  if (found == nullptr) return NoSuchRoute(allowed);
  if (found->whom == Route::For::kAdmin && identity.caller->role != Role::kAdmin) {
    return ProblemOf("forbidden", "this call needs the role admin");
  }
  if (remote_ && found->asks_store() && exchange.place() != wire::Exchange::Place::kPool) {
    if (exchange.place() == wire::Exchange::Place::kNoRoom) {
      return ProblemOf("overloaded", "too many wait for the store; nothing was done; try again", 1);
    }
    exchange.GoToPool();
    return {};
  }
  Call call{
      .request = request, .target = *target, .exchange = exchange, .caller = *identity.caller};
  return (this->*found->handler)(call);
}

void Api::Handle(httplib::Response& response, wire::Exchange& exchange) {
  Answer answer = Dispatch(exchange.request(), exchange);
  if (exchange.parked_for().has_value() || exchange.goes_to_pool()) return;
  // A remote store that says so cannot be reached: asking it again and again would not help it.
  const bool again = answer.stalled && !remote_;
  if (again && exchange.Stall(kStallPause, kStallPatience)) return;
  if (!answer.for_operator.empty()) options_.report(LogEvent::kStorageFault, answer.for_operator);
  exchange.HoldUntil(answer.sequence);
  exchange.Mark(static_cast<uint8_t>(answer.came_to));
  response.status = answer.status;
  for (auto& [name, value] : answer.headers) response.headers.emplace(name, std::move(value));
  if (answer.status == 204) return;
  response.headers.emplace("Content-Type", answer.type);
  response.body = std::move(answer.body);
}

Answer Api::Keygen(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  Result<Fields> fields = Fields::Parse(call.request.body, kCallRules);
  if (!fields.ok()) return FaultAnswer(fields.status());
  const std::optional<std::string_view> data = fields->OptionalRaw("data");
  const bool unique = fields->OptionalFlag("unique");
  const std::optional<std::string> prefix = fields->OptionalText("prefix");
  if (prefix.has_value()) {
    const Status checked = CheckPrintable("prefix", *prefix, 1, kPrefixMax);
    if (!checked.ok()) fields->Fail(checked.message());
  }
  if (unique == data.has_value()) fields->Fail("data: give either data or \"unique\": true");
  const Status finished = fields->Finish();
  if (!finished.ok()) return FaultAnswer(finished);
  std::string key;
  if (unique) {
    key = UniqueKey(prefix.value_or(""), options_.now_ms() / 1000);
  } else {
    const Result<std::string> canonical = CanonicalJson(*data);
    if (!canonical.ok()) return FaultAnswer(canonical.status());
    key = DerivedKey(prefix.value_or(""), *canonical);
  }
  JsonWriter w;
  return {.body = w.Field("key", key).Take()};
}

Answer Api::WellKnown(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  JsonWriter w(1024);
  w.BeginObject("limits")
      .Field("key_max", Key::kMaxLength)
      .Field("scope_max", Key::kMaxLength)
      .Field("fingerprint_max", kFingerprintMax)
      .Field("claim_id_max", kClaimIdMax)
      .Field("holder_max", kHolderMax)
      .Field("lease_ms_min", kLeaseMinMs)
      .Field("lease_ms_max", kLeaseMaxMs)
      .Field("retention_ms_min", kRetentionMinMs)
      .Field("retention_ms_max", kRetentionMaxMs)
      .Field("wait_ms_max", kWaitMaxMs)
      .Field("body_bytes_max", options_.limits.body_bytes)
      .Field("json_depth_max", kJsonDepthMax)
      .Field("batch_max", kBatchMax)
      .Field("batch_result_bytes_max", kBatchResultBytesMax)
      .Field("list_max", kListMax)
      .Field("waiters_max", options_.waiters.in_all)
      .Field("waiters_per_key_max", options_.waiters.per_key)
      .Field("head_bytes_max", options_.limits.head_bytes)
      .Field("headers_max", options_.limits.headers)
      .Field("path_bytes_max", options_.limits.path_bytes)
      .Field("keygen_prefix_max", kPrefixMax)
      .EndObject();
  w.BeginObject("defaults")
      .Field("scope", "default")
      .Field("lease_ms", options_.defaults.lease_ms)
      .Field("retention_ms", options_.defaults.retention_ms)
      .Field("wait_ms", 0)
      .Field("on_lapse", "retry")
      .EndObject();
  w.Field("durability", options_.durability)
      .Field("audit", options_.audit)
      .Field("profile", "ietf");
  return {.body = w.Take()};
}

std::vector<std::pair<std::string_view, std::string_view>> Api::Routes() {
  std::vector<std::pair<std::string_view, std::string_view>> routes;
  for (const Route* route = RoutesBegin(); route != RoutesEnd(); ++route) {
    routes.emplace_back(route->method, route->pattern);
  }
  return routes;
}

Answer Api::Description(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  return {.body = std::string(kOpenApi)};
}

Answer Api::RequestsCall(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  return {.body = options_.requests()};
}

Answer Api::BackupCall(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  Result<Fields> fields = Fields::Parse(call.request.body, kCallRules);
  if (!fields.ok()) return FaultAnswer(fields.status());
  const std::string folder = fields->Text("folder");
  if (const Status s = fields->Finish(); !s.ok()) return FaultAnswer(s);
  if (!options_.backup) {
    return ProblemOf("not_implemented", "there are no files here: back the database up");
  }
  const Status made = options_.backup(folder);
  if (!made.ok()) return FaultAnswer(made);
  JsonWriter w;
  return {.status = 201, .body = w.Field("folder", folder).Take()};
}

Answer Api::Metrics(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  return {.body = options_.metrics(), .type = "text/plain; version=0.0.4; charset=utf-8"};
}

Answer Api::Liveness(Call& /*call*/) { return {.body = "ok\n", .type = "text/plain"}; }

Answer Api::Readiness(Call& call) {
  ReadyQuestion question{.json = WantsJson(call.request.Header("Accept"))};
  if (call.target.path().size() > 1) question.only = call.target.path().back();
  Query query(call.target);
  question.verbose = query.Flag("verbose");
  question.excluded = query.Text("exclude").value_or("");
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  return ReadyAnswer(options_.checks(), question);
}

}  // namespace onced

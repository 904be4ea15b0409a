// SPDX-License-Identifier: MIT
#include "server/redis/ledger_commands.h"

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "server/access/doorkeeper.h"
#include "server/access/key_quota.h"
#include "server/json/json_reader.h"
#include "server/redis/argument.h"
#include "server/redis/interpreter.h"
#include "server/web/stored_answer.h"

namespace onced::redis {
namespace {

// What stands behind the arguments that a command must have: NAME value, each once, in any order.
class Options {
 public:
  // `from`: the first of them.
  Options(Call& call, size_t from) : call_(call), taken_(call.size(), false), from_(from) {}

  std::string_view Text(std::string_view lower) {
    for (size_t i = from_; i + 1 < call_.size(); i += 2) {
      if (taken_[i] || !Is(call_[i], lower)) continue;
      taken_[i] = true;
      return call_[i + 1];
    }
    return {};
  }
  std::string_view Scope() {
    const std::string_view scope = Text("scope");
    return scope.data() == nullptr ? "default" : scope;  // as for the API
  }
  std::optional<int64_t> Milliseconds(std::string_view lower) {
    const std::string_view text = Text(lower);
    if (text.data() == nullptr) return std::nullopt;
    int64_t value = 0;
    if (!ReadInteger(text, &value)) wrong_ = "ERR value is not an integer or out of range";
    return value;
  }
  void Fail(std::string error) {
    if (wrong_.empty()) wrong_ = std::move(error);
  }
  // False: answered. What nobody has taken is an error.
  bool Finish() {
    for (size_t i = from_; i < call_.size() && wrong_.empty(); i += 2) {
      if (!taken_[i]) wrong_ = kSyntax;
    }
    if (!wrong_.empty()) call_.reply.Error(wrong_);
    return wrong_.empty();
  }

 private:
  Call& call_;
  std::vector<bool> taken_;
  const size_t from_;
  std::string wrong_;
};

void AnswerFault(Call& call, const Status& status) {
  switch (status.fault()) {
    case Fault::kInvalidArgument:
      return call.reply.Error("ERR " + status.message());
    case Fault::kUnavailable:
      return call.reply.Error("TRYAGAIN the storage is stalled; nothing was done");
    case Fault::kFull:
      return call.reply.Error("OOM the disk is full; nothing was done");
    case Fault::kIoError:
    case Fault::kNoSpace:
    case Fault::kUnreadable:
    case Fault::kCorruption:
      break;
  }
  const bool read = status.fault() == Fault::kUnreadable || status.fault() == Fault::kCorruption;
  if (call.redis.options().report) {
    call.redis.options().report(LogEvent::kStorageFault, status.message());
  }
  return call.reply.Error(read ? kUnreadable : kUnknownWrite);
}

uint64_t FenceIn(std::string_view text, Options& options) {
  uint64_t fence = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fence);
  if (error != std::errc() || end != text.data() + text.size()) {
    options.Fail("ERR fence: must be the number that the claim was told");
  }
  return fence;
}

void Field(Call& call, std::string_view name, std::string_view value) {
  call.reply.Bulk(name);
  call.reply.Bulk(value);
}
void Field(Call& call, std::string_view name, int64_t value) {
  call.reply.Bulk(name);
  call.reply.Integer(value);
}
void AddResult(Call& call, const Record& record) {
  call.reply.Bulk("result");
  record.result.has_value() ? call.reply.Bulk(*record.result) : call.reply.Null();
}

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kConflict:
      return "conflict";
    case Outcome::kUnknown:
      return "unknown";
    case Outcome::kCompleted:
      return "completed";
    case Outcome::kReleased:
      return "released";
    case Outcome::kStale:
      return "stale";
    case Outcome::kNotFound:
      return "not_found";
    default:
      ONCED_CHECK(false);
  }
}

void Tell(Call& call, const onced::Reply& reply) {
  switch (reply.outcome) {
    case Outcome::kClaimed:
      call.reply.Map(4);
      Field(call, "outcome", "claimed");
      Field(call, "fence", std::to_string(reply.record->fence));
      Field(call, "attempt", reply.record->attempt);
      return Field(call, "lease_until_ms", reply.record->lease_until_ms);
    case Outcome::kReplay:
      call.reply.Map(3);
      Field(call, "outcome", "replay");
      AddResult(call, *reply.record);
      return Field(call, "completed_at_ms", reply.record->completed_at_ms);
    case Outcome::kInFlight:
      call.reply.Map(2);
      Field(call, "outcome", "in_flight");
      return Field(call, "lease_until_ms", reply.record->lease_until_ms);
    case Outcome::kRenewed:
      call.reply.Map(2);
      Field(call, "outcome", "renewed");
      return Field(call, "lease_until_ms", reply.record->lease_until_ms);
    default:
      call.reply.Map(1);
      return Field(call, "outcome", NameOf(reply.outcome));
  }
}

// nullptr: without limit.
const Caller* LimitedCaller(const TokenBook& book, std::string_view tenant) {
  for (const std::unique_ptr<Caller>& caller : book.callers()) {
    if (caller->tenant == tenant && caller->keys_max.has_value()) return caller.get();
  }
  return nullptr;
}

// Does it for the session's tenant, within its limit of keys, and tells what it came to.
void Do(Call& call, std::string_view scope, const onced::Command& command) {
  const LedgerParts& parts = call.redis.options().ledger;
  const Result<Key> key = Key::Make(call.session.tenant, scope, call[1]);
  if (!key.ok()) return AnswerFault(call, key.status());
  std::shared_ptr<const TokenBook> book;
  const Caller* limited = nullptr;
  if (parts.quota != nullptr) {
    book = parts.doorkeeper->Book();
    limited = LimitedCaller(*book, call.session.tenant);
  }
  if (limited != nullptr && std::holds_alternative<ClaimCommand>(command) &&
      parts.quota->Room(*limited) == 0) {
    const Result<FoundReply> found = parts.ledger->Find(*key);
    if (!found.ok()) return AnswerFault(call, found.status());
    if (!found->record.has_value()) {
      return call.reply.Error(
          "ERR this tenant has as many live keys as it may; some must end first");
    }
  }
  const Result<onced::Reply> reply = parts.ledger->Do(*key, command);
  if (!reply.ok()) return AnswerFault(call, reply.status());
  if (limited != nullptr && reply->keys_change != 0) {
    parts.quota->Change(call.session.tenant, reply->keys_change);
  }
  if (parts.tally != nullptr) {
    ++call.redis.counted_commands;
    parts.tally->Count(Door::kRedis, CameToOf(reply->outcome, reply->record));
  }
  Tell(call, *reply);
}

// ONCED.CLAIM key [SCOPE s] [FINGERPRINT f] [LEASE ms] [RETENTION ms] [ID claim-id] [HOLDER h]
//             [ONLAPSE retry|unknown]
void RunClaim(Call& call) {
  const LedgerParts& parts = call.redis.options().ledger;
  Options options(call, 2);
  const std::string_view scope = options.Scope();
  ClaimCommand claim{.fingerprint = std::string(options.Text("fingerprint")),
                     .lease_ms = options.Milliseconds("lease").value_or(parts.lease_ms),
                     .retention_ms = options.Milliseconds("retention").value_or(parts.retention_ms),
                     .on_lapse = OnLapse::kRetry,
                     .claim_id = std::string(options.Text("id")),
                     .holder = std::string(options.Text("holder"))};
  const std::string_view on_lapse = options.Text("onlapse");
  if (Is(on_lapse, "unknown")) {
    claim.on_lapse = OnLapse::kUnknown;
  } else if (!on_lapse.empty() && !Is(on_lapse, "retry")) {
    options.Fail("ERR onlapse: must be retry or unknown");
  }
  if (scope.starts_with(kGatewayScope)) {
    options.Fail("ERR scope: the gateway alone claims in scopes that begin so");
  }
  if (options.Finish()) Do(call, scope, claim);
}

// ONCED.COMPLETE key fence result [SCOPE s] [RETENTION ms]
void RunComplete(Call& call) {
  Options options(call, 4);
  const std::string_view scope = options.Scope();
  const CompleteCommand complete{.fence = FenceIn(call[2], options),
                                 .result = std::string(call[3]),
                                 .retention_ms = options.Milliseconds("retention")};
  if (scope.starts_with(kGatewayScope)) {
    options.Fail("ERR scope: the gateway alone completes in scopes that begin so");
  }
  // The API shows it as it is.
  const Status json = JsonTokens(call[3], {.label = "result", .envelope = 1}).Finish();
  if (!json.ok()) options.Fail("ERR " + json.message());
  if (options.Finish()) Do(call, scope, complete);
}

// ONCED.RELEASE key fence [SCOPE s]
void RunRelease(Call& call) {
  Options options(call, 3);
  const std::string_view scope = options.Scope();
  const ReleaseCommand release{.fence = FenceIn(call[2], options)};
  if (options.Finish()) Do(call, scope, release);
}

// ONCED.RENEW key fence [SCOPE s] [LEASE ms]
void RunRenew(Call& call) {
  const LedgerParts& parts = call.redis.options().ledger;
  Options options(call, 3);
  const std::string_view scope = options.Scope();
  const RenewCommand renew{.fence = FenceIn(call[2], options),
                           .lease_ms = options.Milliseconds("lease").value_or(parts.lease_ms)};
  if (options.Finish()) Do(call, scope, renew);
}

std::string_view NameOf(State state) {
  switch (state) {
    case State::kInFlight:
      return "in_flight";
    case State::kCompleted:
      return "completed";
    case State::kUnknown:
      return "unknown";
  }
  ONCED_CHECK(false);
}

// ONCED.GET key [SCOPE s]
void RunGet(Call& call) {
  Options options(call, 2);
  const std::string_view scope = options.Scope();
  if (!options.Finish()) return;
  const Result<Key> key = Key::Make(call.session.tenant, scope, call[1]);
  if (!key.ok()) return AnswerFault(call, key.status());
  const Result<FoundReply> found = call.redis.options().ledger.ledger->Find(*key);
  if (!found.ok()) return AnswerFault(call, found.status());
  if (!found->record.has_value()) return call.reply.Null();
  const Record& record = *found->record;
  call.reply.Map(6);
  Field(call, "state", NameOf(record.state));
  Field(call, "fence", std::to_string(record.fence));
  Field(call, "attempt", record.attempt);
  Field(call, "fingerprint", record.fingerprint);
  Field(call, "lease_until_ms", record.lease_until_ms);
  AddResult(call, record);
}

constexpr auto kOwn = kNoScript | kNoMulti | kLedger;

constexpr Command kCommands[] = {
    {"onced.claim", -2, kWrite | kDenyOom | kOwn, 0, 0, 0, RunClaim, "ledger", "0.1.0",
     "Wins the right to run, or tells what has become of it"},
    {"onced.complete", -4, kWrite | kDenyOom | kOwn, 0, 0, 0, RunComplete, "ledger", "0.1.0",
     "Ends a run with its result, which is JSON"},
    {"onced.get", -2, kReadOnly | kOwn, 0, 0, 0, RunGet, "ledger", "0.1.0",
     "What there is of a key of the ledger"},
    {"onced.release", -3, kWrite | kOwn, 0, 0, 0, RunRelease, "ledger", "0.1.0",
     "Gives a claim back: nothing was done"},
    {"onced.renew", -3, kWrite | kOwn, 0, 0, 0, RunRenew, "ledger", "0.1.0",
     "Makes a claim's lease last longer"},
};

}  // namespace

std::span<const Command> LedgerCommands() { return kCommands; }

}  // namespace onced::redis

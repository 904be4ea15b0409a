// SPDX-License-Identifier: MIT
// The calls that change a key: claim, complete, release, renew, mark-unknown, resolve, batch.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "server/http/api.h"
#include "server/json/json_writer.h"
#include "server/web/credentials.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A claim whose duplicate is in flight, between two asks.
struct WaitingClaim : wire::Kept {
  WaitingClaim(Operation o, steady_clock::time_point u, std::unique_ptr<Waiter> w)
      : operation(std::move(o)), until(u), waiter(std::move(w)) {}

  const Operation operation;
  const steady_clock::time_point until;
  const std::unique_ptr<Waiter> waiter;
};

}  // namespace

Answer Api::ClaimCall(Call& call) {
  if (call.exchange.kept == nullptr) {
    Query query(call.target);
    if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
    Result<Fields> fields = Fields::Parse(call.request.body, kCallRules);
    if (!fields.ok()) return FaultAnswer(fields.status());
    Result<CommandBody> body =
        ReadCommand("claim", call.tenant, *fields, options_.defaults, /*in_batch=*/false);
    if (!body.ok()) return FaultAnswer(body.status());
    std::unique_ptr<Waiter> waiter;
    if (body->wait_ms > 0 && call.exchange.may_park()) {
      waiter = ledger_->NewWaiter(body->operation.key, /*claims=*/true, call.exchange.Waker());
    }
    call.exchange.kept = std::make_unique<WaitingClaim>(
        std::move(body->operation), call.exchange.begun() + milliseconds(body->wait_ms),
        std::move(waiter));
  }
  const auto& waiting = static_cast<const WaitingClaim&>(*call.exchange.kept);
  const Operation& operation = waiting.operation;
  call.exchange.IsAbout(operation.key.key());
  if (operation.key.tenant() != call.tenant) return TokenMoved();
  if (std::optional<Answer> refused = RefuseBeyondQuota(call.caller, operation.key)) {
    return *std::move(refused);
  }
  const Result<Reply> reply = ledger_->Do(operation.key, operation.command, waiting.waiter.get());
  if (!reply.ok()) return FaultAnswer(reply.status());
  KeepAccount(call.caller, operation.key, reply->keys_change);
  if (reply->waiting && call.exchange.may_park()) {
    const milliseconds time = Ledger::UntilNextAsk(*reply, waiting.until);
    if (time.count() > 0) {
      call.exchange.Park(time);
      return {};
    }
  }
  // Nobody will run what nobody knows was won. With a claim_id the client can ask again instead,
  // and may already be doing so on another connection.
  const bool retriable = !std::get<ClaimCommand>(operation.command).claim_id.empty();
  if (reply->outcome == Outcome::kClaimed && !retriable) {
    call.exchange.IfUnsent(
        [this, caller = call.caller, key = operation.key, fence = reply->record->fence] {
          const Result<Reply> released = ledger_->Release(key, {.fence = fence});
          // Failing that, the lease frees the key.
          if (released.ok()) KeepAccount(caller, key, released->keys_change);
        });
  }
  return OutcomeAnswer(operation.command, *reply, /*in_batch=*/false);
}

Answer Api::CommandCall(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  Result<Fields> fields = Fields::Parse(call.request.body, kCallRules);
  if (!fields.ok()) return FaultAnswer(fields.status());
  const Result<CommandBody> body = ReadCommand(call.target.path().back(), call.tenant, *fields,
                                               options_.defaults, /*in_batch=*/false);
  if (!body.ok()) return FaultAnswer(body.status());
  const Operation& operation = body->operation;
  call.exchange.IsAbout(operation.key.key());
  if (std::holds_alternative<CompleteUnclaimedCommand>(operation.command)) {
    std::optional<Answer> refused = RefuseBeyondQuota(call.caller, operation.key);
    if (refused.has_value()) return *std::move(refused);
  }
  const Result<Reply> reply = ledger_->Do(operation.key, operation.command);
  if (!reply.ok()) return FaultAnswer(reply.status());
  KeepAccount(call.caller, operation.key, reply->keys_change);
  return OutcomeAnswer(operation.command, *reply, /*in_batch=*/false);
}

namespace {

Result<Operation> ReadEntry(std::string_view text, const std::string& tenant,
                            const CommandDefaults& defaults) {
  Result<Fields> fields = Fields::Parse(text, kCallRules);
  if (!fields.ok()) return fields.status();
  const std::string verb = fields->Text("op");
  constexpr std::array<std::string_view, 5> kVerbs = {"claim", "complete", "release", "renew",
                                                      "mark-unknown"};
  if (std::find(kVerbs.begin(), kVerbs.end(), verb) == kVerbs.end()) {
    return Status::InvalidArgument("op: must be claim, complete, release, renew or mark-unknown");
  }
  Result<CommandBody> body = ReadCommand(verb, tenant, *fields, defaults, /*in_batch=*/true);
  if (!body.ok()) return body.status();
  return std::move(body->operation);
}

Result<std::vector<std::string_view>> ReadEntries(std::string_view body) {
  Result<Fields> fields = Fields::Parse(body, kBatchRules);
  if (!fields.ok()) return fields.status();
  const std::optional<std::string_view> raw = fields->OptionalRaw("operations");
  if (!raw.has_value()) fields->Fail("operations: is required");
  ONCED_RETURN_IF_ERROR(fields->Finish());
  Result<std::vector<std::string_view>> entries =
      JsonArrayElements(*raw, {.label = "operations", .envelope = kBatchRules.envelope});
  if (!entries.ok()) return entries;
  if (entries->empty() || entries->size() > kBatchMax) {
    return Status::InvalidArgument("operations: must be 1.." + std::to_string(kBatchMax));
  }
  return entries;
}

// What of a batch may begin a key, when the caller has less room than the batch could take.
class BatchQuota {
 public:
  BatchQuota(const Caller& caller, KeyQuota* quota, Ledger* ledger, size_t operations)
      : ledger_(ledger), room_(quota == nullptr ? operations : quota->Room(caller)) {
    tight_ = room_ < operations;
  }

  Result<bool> MayDo(const Operation& operation) {
    const bool begins = std::holds_alternative<ClaimCommand>(operation.command) ||
                        std::holds_alternative<CompleteUnclaimedCommand>(operation.command);
    if (!tight_ || !begins || begun_.contains(operation.key.encoded())) return true;
    const Result<FoundReply> found = ledger_->Find(operation.key);
    if (!found.ok()) return found.status();
    if (found->record.has_value()) return true;
    if (room_ == 0) return false;
    --room_;
    begun_.insert(operation.key.encoded());
    return true;
  }

 private:
  Ledger* const ledger_;
  uint64_t room_;
  bool tight_ = false;
  std::set<std::string> begun_;  // by the operations so far
};

}  // namespace

Answer Api::BatchCall(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  const Result<std::vector<std::string_view>> entries = ReadEntries(call.request.body);
  if (!entries.ok()) return FaultAnswer(entries.status());
  std::vector<Operation> operations;
  std::vector<std::optional<Answer>> answers;  // those that are already known: the refused ones
  BatchQuota quota(call.caller, options_.quota, ledger_, entries->size());
  for (const std::string_view entry : *entries) {
    Result<Operation> operation = ReadEntry(entry, call.tenant, options_.defaults);
    answers.emplace_back(std::nullopt);
    if (!operation.ok()) {
      answers.back() = FaultAnswer(operation.status());
      continue;
    }
    const Result<bool> may_begin = quota.MayDo(*operation);
    if (!may_begin.ok()) return FaultAnswer(may_begin.status());
    if (*may_begin) {
      operations.push_back(std::move(*operation));
    } else {
      answers.back() = QuotaExceeded(call.caller);
    }
  }
  Answer whole;
  std::vector<Reply> replies;
  if (!operations.empty()) {
    Result<std::vector<Reply>> done = ledger_->DoAll(operations);
    if (!done.ok()) return FaultAnswer(done.status());
    replies = std::move(*done);
    whole.sequence = replies.back().sequence;
    for (size_t i = 0; i < replies.size(); ++i) {
      KeepAccount(call.caller, operations[i].key, replies[i].keys_change);
    }
  }
  JsonWriter w(256 * answers.size());
  w.BeginArray("results");
  size_t next = 0;
  for (const std::optional<Answer>& known : answers) {
    if (known.has_value()) {
      w.RawElement(known->body);
      continue;
    }
    const Command& command = operations[next].command;
    const Answer entry = OutcomeAnswer(command, replies[next], /*in_batch=*/true);
    if (options_.tally != nullptr) options_.tally->Count(Door::kApi, entry.came_to);
    w.RawElement(entry.body);
    ++next;
  }
  w.EndArray();
  whole.body = w.Take();
  return whole;
}

}  // namespace onced

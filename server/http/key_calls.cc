// SPDX-License-Identifier: MIT
// The calls that look at a key, list keys, or forget one.
#include <utility>
#include <variant>

#include "server/http/api.h"
#include "server/http/cursor.h"
#include "server/json/json_writer.h"
#include "server/web/credentials.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kListDefault = 100;

// Somebody who waits for a run to end, between two asks.
struct WaitingReader : wire::Kept {
  WaitingReader(Key k, steady_clock::time_point u, std::unique_ptr<Waiter> w)
      : key(std::move(k)), until(u), waiter(std::move(w)) {}

  const Key key;
  const steady_clock::time_point until;
  const std::unique_ptr<Waiter> waiter;
};

Answer ForbiddenTenant() {
  return ProblemOf("forbidden", "tenant: only an admin may name another tenant than its own");
}

// The key that the path, `scope` and, where `others`, an admin's `tenant` name, once the query is
// read to its end; or the refusal.
std::variant<Key, Answer> KeyOf(wire::Exchange& exchange, const Target& target, Query& query,
                                const Caller& caller, bool others) {
  const std::string scope = query.Text("scope").value_or("default");
  std::optional<std::string> named;
  if (others) named = query.Text("tenant");
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  if (named.has_value() && !caller.MayName(*named)) return ForbiddenTenant();
  Result<Key> key = Key::Make(named.value_or(caller.tenant), scope, target.path()[2]);
  if (!key.ok()) return FaultAnswer(key.status());
  exchange.IsAbout(key->key());
  return *std::move(key);
}

Answer NotFound() { return ProblemOf("not_found", "there is no live record under this key"); }

// What to list, from the query's parameters, read to its end.
Status ReadListing(Query& query, ListQuery* list) {
  list->tenant = query.Text("tenant").value_or(list->tenant);
  list->prefix = query.Text("prefix").value_or("");
  const std::optional<std::string> scope = query.Text("scope");
  const std::optional<std::string> scope_prefix = query.Text("scope_prefix");
  const std::optional<std::string> cursor = query.Text("cursor");
  const std::optional<std::string> state = query.Text("state");
  list->limit = static_cast<size_t>(
      query.Integer("limit", 1, static_cast<int64_t>(kListMax)).value_or(kListDefault));
  ONCED_RETURN_IF_ERROR(query.Finish());
  ONCED_RETURN_IF_ERROR(CheckPrintable("tenant", list->tenant, 1, Key::kMaxTenantLength));
  if (scope_prefix.has_value()) {
    if (scope.has_value()) {
      return Status::InvalidArgument("scope_prefix: is instead of scope, not beside it");
    }
    list->scope = *scope_prefix;
    list->scope_is_prefix = true;
    ONCED_RETURN_IF_ERROR(CheckPrintable("scope_prefix", list->scope, 0, Key::kMaxLength));
  } else {
    list->scope = scope.value_or("default");
    ONCED_RETURN_IF_ERROR(CheckPrintable("scope", list->scope, 1, Key::kMaxLength));
  }
  ONCED_RETURN_IF_ERROR(CheckPrintable("prefix", list->prefix, 0, Key::kMaxLength));
  ONCED_RETURN_IF_ERROR(GoOnAfter(cursor, list));
  if (!state.has_value()) return Status::Ok();
  for (const State known : {State::kInFlight, State::kCompleted, State::kUnknown}) {
    if (*state == StateName(known)) list->state = known;
  }
  if (list->state.has_value()) return Status::Ok();
  return Status::InvalidArgument("state: must be in_flight, completed or unknown");
}

Answer ResultOf(const FoundReply& found) {
  if (!found.record.has_value()) return NotFound();
  const Record& record = *found.record;
  switch (record.state) {
    case State::kCompleted:
      if (!record.result.has_value()) return {.status = 204};
      return {.body = *record.result};
    case State::kInFlight: {
      JsonWriter w;
      w.Field("state", "in_flight").Field("lease_until", TimeText(record.lease_until_ms));
      return {.status = 202, .body = w.Take()};
    }
    case State::kUnknown:
      break;
  }
  return ProblemOf("idempotency_outcome_unknown",
                   "the run under this key ended without a known outcome");
}

}  // namespace

Answer Api::FindKey(Call& call) {
  Query query(call.target);
  const std::variant<Key, Answer> named =
      KeyOf(call.exchange, call.target, query, call.caller, /*others=*/true);
  if (const Answer* refused = std::get_if<Answer>(&named)) return *refused;
  const Key& key = std::get<Key>(named);
  const Result<FoundReply> found = ledger_->Find(key);
  if (!found.ok()) return FaultAnswer(found.status());
  Answer answer = NotFound();
  if (found->record.has_value()) {
    answer = {.body = RecordJson(key, *found->record, found->now_ms, found->replays)};
  }
  answer.sequence = found->sequence;
  return answer;
}

Answer Api::KeyResult(Call& call) {
  if (call.exchange.kept == nullptr) {
    Query query(call.target);
    const int64_t wait_ms = query.Integer("wait_ms", 0, kWaitMaxMs).value_or(0);
    std::variant<Key, Answer> named =
        KeyOf(call.exchange, call.target, query, call.caller, /*others=*/false);
    if (const Answer* refused = std::get_if<Answer>(&named)) return *refused;
    Key& key = std::get<Key>(named);
    std::unique_ptr<Waiter> waiter;
    if (wait_ms > 0 && call.exchange.may_park()) {
      waiter = ledger_->NewWaiter(key, /*claims=*/false, call.exchange.Waker());
    }
    call.exchange.kept = std::make_unique<WaitingReader>(
        std::move(key), call.exchange.begun() + milliseconds(wait_ms), std::move(waiter));
  }
  const auto& waiting = static_cast<const WaitingReader&>(*call.exchange.kept);
  if (waiting.key.tenant() != call.tenant) return TokenMoved();
  const Result<FoundReply> found = ledger_->Find(waiting.key, waiting.waiter.get());
  if (!found.ok()) return FaultAnswer(found.status());
  if (found->waiting && call.exchange.may_park()) {
    const auto left = std::chrono::ceil<milliseconds>(waiting.until - steady_clock::now());
    if (left.count() > 0) {
      call.exchange.Park(left);
      return {};
    }
  }
  Answer answer = ResultOf(*found);
  answer.sequence = found->sequence;
  return answer;
}

Answer Api::KeyHistory(Call& call) {
  Query query(call.target);
  const std::variant<Key, Answer> named =
      KeyOf(call.exchange, call.target, query, call.caller, /*others=*/true);
  if (const Answer* refused = std::get_if<Answer>(&named)) return *refused;
  const Key& key = std::get<Key>(named);
  const Result<Page<Run>> runs = ledger_->History(key);
  if (!runs.ok()) return FaultAnswer(runs.status());
  return {.body = HistoryJson(runs->rows), .sequence = runs->sequence};
}

Answer Api::ListKeys(Call& call) {
  Query query(call.target);
  ListQuery list{.tenant = call.tenant};
  if (const Status read = ReadListing(query, &list); !read.ok()) return FaultAnswer(read);
  if (!call.caller.MayName(list.tenant)) return ForbiddenTenant();
  const Result<Page<ListedRecord>> page = ledger_->List(list);
  if (!page.ok()) return FaultAnswer(page.status());
  JsonWriter w(256 * page->rows.size() + 64);
  w.BeginArray("keys");
  for (const ListedRecord& row : page->rows) {
    w.RawElement(RecordJson(row.key, row.record, page->now_ms, std::nullopt, row.result_bytes));
  }
  w.EndArray();
  if (page->next.has_value()) w.Field("cursor", CursorAt(list, *page->next));
  return {.body = w.Take(), .sequence = page->sequence};
}

Answer Api::ForgetKey(Call& call) {
  Query query(call.target);
  const bool force = query.Flag("force");
  const std::variant<Key, Answer> named =
      KeyOf(call.exchange, call.target, query, call.caller, /*others=*/true);
  if (const Answer* refused = std::get_if<Answer>(&named)) return *refused;
  const Key& key = std::get<Key>(named);
  const ForgetCommand forget{.force = force};
  const Result<Reply> reply = ledger_->Forget(key, forget);
  if (!reply.ok()) return FaultAnswer(reply.status());
  KeepAccount(call.caller, key, reply->keys_change);
  return OutcomeAnswer(forget, *reply, /*in_batch=*/false);
}

}  // namespace onced

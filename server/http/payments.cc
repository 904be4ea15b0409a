// SPDX-License-Identifier: MIT
// The worked example: an endpoint that may be called twice and pays once.
//
// Read it from CreatePayment downwards. Everything that makes it idempotent is one call, Execute:
// it claims the key, lets us compute the payment, and writes the payment, the answer and the audit
// row in one batch. Whoever comes second, or at the same time, gets the stored answer byte for
// byte. A request that is not valid is answered before that and is not remembered, so a corrected
// one may use the same key.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/keygen.h"
#include "server/http/api.h"
#include "server/http/currency.h"
#include "server/http/cursor.h"
#include "server/json/canonical_json.h"
#include "server/json/json_writer.h"
#include "server/web/idempotency_key.h"

namespace onced {
namespace {

constexpr char kScope[] = "payments";
constexpr int64_t kAmountMax = 1'000'000'000'000;  // in minor units
constexpr size_t kReferenceMax = 128;
constexpr int64_t kListDefault = 100;

struct PaymentRequest {
  int64_t amount = 0;     // in minor units: cents, not euros
  std::string currency;   // ISO 4217
  std::string reference;  // the caller's order id; tells two equal payments apart
};

Result<PaymentRequest> ReadPayment(std::string_view body) {
  Result<Fields> fields = Fields::Parse(body, kCallRules);
  if (!fields.ok()) return fields.status();
  PaymentRequest payment;
  const std::optional<int64_t> amount = fields->OptionalInteger("amount");
  if (!amount.has_value() || *amount < 1 || *amount > kAmountMax) {
    fields->Fail("amount: must be a whole number of minor units, 1.." + std::to_string(kAmountMax));
  }
  payment.amount = amount.value_or(0);
  payment.currency = fields->Text("currency");
  if (!IsCurrency(payment.currency)) {
    fields->Fail("currency: must be an ISO 4217 code such as EUR");
  }
  if (const std::optional<std::string> reference = fields->OptionalText("reference")) {
    const Status checked = CheckPrintable("reference", *reference, 1, kReferenceMax);
    if (!checked.ok()) fields->Fail(checked.message());
    payment.reference = *reference;
  }
  ONCED_RETURN_IF_ERROR(fields->Finish());
  return payment;
}

// Begins with the time, so that a list of payments is in the order in which they were made.
std::string NewPaymentId(int64_t now_ms) {
  std::string digits = std::to_string(now_ms);
  digits.insert(0, 14 - std::min<size_t>(14, digits.size()), '0');
  const std::string uuid = RandomUuid();
  return "pay_" + digits + "_" + uuid.substr(0, 8) + uuid.substr(9, 4);
}

std::string PaymentJson(const std::string& id, const PaymentRequest& payment, int64_t now_ms) {
  JsonWriter w;
  w.Field("id", id).Field("amount", payment.amount).Field("currency", payment.currency);
  if (!payment.reference.empty()) w.Field("reference", payment.reference);
  w.Field("created_at", TimeText(now_ms));
  return w.Take();
}

}  // namespace

Answer Api::CreatePayment(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  Result<std::optional<std::string>> given_key = KeyInHeader(call.request, kKeyHeader);
  if (!given_key.ok()) return ProblemOf("idempotency_key_invalid", given_key.status().message());
  const Result<PaymentRequest> payment = ReadPayment(call.request.body);
  if (!payment.ok()) return FaultAnswer(payment.status());
  const Result<std::string> canonical = CanonicalJson(call.request.body);
  if (!canonical.ok()) return FaultAnswer(canonical.status());

  const bool derived = !given_key->has_value();
  const std::string key_text = derived ? DerivedKey("payment", *canonical) : **given_key;
  const Result<Key> key = Key::Make(call.tenant, kScope, key_text);
  if (!key.ok()) return FaultAnswer(key.status());
  call.exchange.IsAbout(key->key());

  if (std::optional<Answer> refused = RefuseBeyondQuota(call.caller, *key)) {
    return *std::move(refused);
  }

  const int64_t now_ms = options_.now_ms();
  const std::string id = NewPaymentId(now_ms);
  const Result<Key> effect = Key::Make(call.tenant, kScope, id);
  if (!effect.ok()) return FaultAnswer(effect.status());
  const std::array<Key, 1> effects = {*effect};

  const Result<Reply> reply = ledger_->Execute(
      *key, {.fingerprint = Sha256Hex(*canonical), .retention_ms = options_.defaults.retention_ms},
      effects, [&](Batch& batch) -> Result<std::string> {
        std::string json = PaymentJson(id, *payment, now_ms);
        batch.Put(*effect, json);
        return json;
      });
  if (!reply.ok()) return FaultAnswer(reply.status());
  KeepAccount(call.caller, *key, reply->keys_change);

  const bool replayed = reply->outcome == Outcome::kReplay;
  if (!replayed && reply->outcome != Outcome::kCompleted) {
    return OutcomeAnswer(ClaimCommand{}, *reply, /*in_batch=*/false);
  }
  if (!reply->record->result.has_value()) {  // somebody used the scope for something else
    return ProblemOf("idempotency_conflict", "this key was not used for a payment");
  }
  Answer answer{.status = 201, .body = *reply->record->result, .sequence = reply->sequence};
  answer.came_to = replayed ? CameTo::kReplayed : CameTo::kExecuted;
  answer.headers.emplace_back(kKeyHeader, key_text);
  if (derived) answer.headers.emplace_back("Idempotency-Key-Derived", "true");
  if (replayed) answer.headers.emplace_back("Idempotent-Replayed", "true");
  return answer;
}

Answer Api::FindPayment(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  const Result<Key> key = Key::Make(call.tenant, kScope, call.target.path()[2]);
  if (!key.ok()) return FaultAnswer(key.status());
  const Result<Page<std::string>> found = ledger_->ReadEffect(*key);
  if (!found.ok()) return FaultAnswer(found.status());
  Answer answer = found->rows.empty() ? ProblemOf("not_found", "there is no such payment")
                                      : Answer{.body = found->rows.front()};
  answer.sequence = found->sequence;
  return answer;
}

Answer Api::ListPayments(Call& call) {
  Query query(call.target);
  ListQuery list{.tenant = call.tenant, .scope = kScope};
  const std::optional<std::string> cursor = query.Text("cursor");
  list.limit = static_cast<size_t>(
      query.Integer("limit", 1, static_cast<int64_t>(kListMax)).value_or(kListDefault));
  Status checked = query.Finish();
  if (checked.ok()) checked = GoOnAfter(cursor, &list);
  if (!checked.ok()) return FaultAnswer(checked);
  const Result<Page<ListedEffect>> page = ledger_->ListEffects(list);
  if (!page.ok()) return FaultAnswer(page.status());
  JsonWriter w(128 * page->rows.size() + 64);
  w.BeginArray("payments");
  for (const ListedEffect& row : page->rows) w.RawElement(row.value);
  w.EndArray();
  if (page->next.has_value()) w.Field("cursor", CursorAt(list, *page->next));
  return {.body = w.Take(), .sequence = page->sequence};
}

}  // namespace onced

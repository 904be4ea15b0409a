// SPDX-License-Identifier: MIT
// What the API does about a tenant's limit of live keys. Only a key that would begin is refused:
// whatever is already there can be replayed, completed and released.
#include <optional>
#include <utility>

#include "server/http/api.h"

namespace onced {

Answer Api::QuotaExceeded(const Caller& caller) const {
  return ProblemOf("quota_exceeded",
                   "this tenant has as many live keys as it may; some must end first",
                   options_.quota->RetryAfter(caller).count());
}

std::optional<Answer> Api::RefuseBeyondQuota(const Caller& caller, const Key& key) {
  if (options_.quota == nullptr || options_.quota->Room(caller) > 0) return std::nullopt;
  const Result<FoundReply> found = ledger_->Find(key);
  if (!found.ok()) return FaultAnswer(found.status());
  if (found->record.has_value()) return std::nullopt;
  Answer answer = QuotaExceeded(caller);
  answer.sequence = found->sequence;
  return answer;
}

void Api::KeepAccount(const Caller& caller, const Key& key, int keys_change) {
  if (keys_change == 0 || options_.quota == nullptr) return;
  // An admin may have ended a key of a tenant that has a limit.
  const bool own = key.tenant() == caller.tenant;
  if (own && !caller.keys_max.has_value()) return;
  options_.quota->Change(key.tenant(), keys_change);
}

}  // namespace onced

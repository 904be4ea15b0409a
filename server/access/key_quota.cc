// SPDX-License-Identifier: MIT
#include "server/access/key_quota.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace onced {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

// Nineteen times as long as a count took, none begins: a twentieth of the time at most.
constexpr int kRestPerCount = 19;

}  // namespace

KeyQuota::~KeyQuota() {
  stopping_ = true;
  rounds_.reset();
}

void KeyQuota::Watch(const TokenBook& book) {
  bool any = false;
  {
    MutexLock lock(mutex_);
    std::unordered_map<std::string, std::shared_ptr<Account>> watched;
    for (const std::unique_ptr<Caller>& caller : book.callers()) {
      if (!caller->keys_max.has_value()) continue;
      const auto known = accounts_.find(caller->tenant);
      const auto account = known != accounts_.end() ? known->second : std::make_shared<Account>();
      account->wanted = true;
      watched.emplace(caller->tenant, account);
    }
    any = !watched.empty();
    accounts_.swap(watched);
  }
  if (any && rounds_ == nullptr) {
    CountWanted();
    rounds_ = std::make_unique<Rounds>(pace_.look, [this] { CountWanted(); });
  }
}

std::shared_ptr<KeyQuota::Account> KeyQuota::AccountOf(std::string_view tenant) const {
  MutexLock lock(mutex_);
  const auto found = accounts_.find(std::string(tenant));
  return found == accounts_.end() ? nullptr : found->second;
}

uint64_t KeyQuota::Room(const Caller& caller) {
  constexpr uint64_t kAnyNumber = std::numeric_limits<uint64_t>::max();
  if (!caller.keys_max.has_value()) return kAnyNumber;
  const std::shared_ptr<Account> account = AccountOf(caller.tenant);
  if (account == nullptr || !account->counted) return kAnyNumber;
  const auto used = static_cast<uint64_t>(std::max<int64_t>(0, account->estimate));
  const uint64_t most = *caller.keys_max;
  if (used >= most - most / 10) account->wanted = true;
  return most > used ? most - used : 0;
}

void KeyQuota::Change(std::string_view tenant, int64_t by) {
  if (by == 0) return;
  const std::shared_ptr<Account> account = AccountOf(tenant);
  if (account != nullptr) account->estimate += by;
}

seconds KeyQuota::RetryAfter(const Caller& caller) const {
  constexpr seconds kLeast{1};
  constexpr seconds kMost{30};
  const std::shared_ptr<Account> account = AccountOf(caller.tenant);
  if (account == nullptr) return kLeast;
  const auto left = account->next_count.load() - steady_clock::now();
  return std::clamp(std::chrono::ceil<seconds>(left), kLeast, kMost);
}

void KeyQuota::CountWanted() {
  std::vector<std::pair<std::string, std::shared_ptr<Account>>> due;
  {
    MutexLock lock(mutex_);
    const auto now = steady_clock::now();
    for (const auto& [tenant, account] : accounts_) {
      if (account->wanted && account->next_count.load() <= now) due.emplace_back(tenant, account);
    }
  }
  for (const auto& [tenant, account] : due) Count(tenant, *account);
}

void KeyQuota::Count(const std::string& tenant, Account& account) {
  const auto begun = steady_clock::now();
  account.wanted = false;
  const int64_t before = account.estimate;
  int64_t live = 0;
  std::optional<std::string> after = "";
  while (after.has_value()) {
    if (stopping_) return;
    Result<LiveCount> page = ledger_->CountLive(tenant, *after);
    if (!page.ok()) {  // the old estimate stands, and a later look tries again
      account.wanted = true;
      account.next_count = begun + pace_.between;
      return;
    }
    live += static_cast<int64_t>(page->live);
    after = std::move(page->next);
  }
  account.estimate += live - before;  // what changed meanwhile stays in it
  account.counted = true;
  const auto now = steady_clock::now();
  account.next_count = std::max(begun + pace_.between, now + kRestPerCount * (now - begun));
}

}  // namespace onced

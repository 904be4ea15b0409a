// SPDX-License-Identifier: MIT
// KeyQuota: how many more keys a tenant with a limit may begin.
//
// Keys die by themselves, when their retention ends, and nothing happens then; so how many are
// alive is only known by counting. Kept is an estimate: the last count, and what began and was
// released, resolved away or forgotten since. It is counted again, a page at a time on a thread of
// its own, at start, at a reload, and while nine tenths of the limit are used: each tenant once a
// second at most, and for a twentieth of the time at most. They are counted one after another, so
// many tenants near their limits wait for each other's counts.
//
// By how much it can be off:
//   too few   (a key begins beyond the limit)  by what is being begun at the same moment, one claim
//             or batch a thread; and, for a tenant whose limit came with a reload, until its first
//             count is done, by all that is begun meanwhile;
//   too many  (a key is refused below the limit)  by the keys that have died since the last count,
//             which is why it is counted before the limit is reached;
//   either    by what changed while the last count ran.
// The next count puts each of these right.
//
// Threads: Room, Change and RetryAfter from any; Watch and the destructor from one.
// Invariants: no call but the first Watch waits for a count. A tenant without a limit costs nothing
// here.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/ledger.h"
#include "engine/mutex.h"
#include "engine/rounds.h"
#include "server/access/token_book.h"

namespace onced {

struct CountingPace {
  std::chrono::milliseconds look{100};       // for accounts that want a count
  std::chrono::milliseconds between{1'000};  // two counts of one tenant, at least
};

class KeyQuota {
 public:
  explicit KeyQuota(Ledger* ledger, CountingPace pace = {}) : ledger_(ledger), pace_(pace) {}
  ~KeyQuota();
  KeyQuota(const KeyQuota&) = delete;
  KeyQuota& operator=(const KeyQuota&) = delete;

  // The tenants of `book` that have a limit are the ones to keep account of, and to count: before
  // the first call returns, later soon.
  void Watch(const TokenBook& book);

  // How many keys `caller` may still begin.
  uint64_t Room(const Caller& caller);
  // `by` keys of the tenant began or, when negative, ended by a command.
  void Change(std::string_view tenant, int64_t by);
  // When a refused caller may ask again with some hope: after the next count. 1..30 s.
  std::chrono::seconds RetryAfter(const Caller& caller) const;

  // One look, on the caller's thread: for tests. The thread of this object does it by itself.
  void CountWanted();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Account {
    std::atomic<int64_t> estimate{0};
    std::atomic<bool> counted{false};  // ever
    std::atomic<bool> wanted{true};
    std::atomic<TimePoint> next_count{TimePoint()};
  };

  std::shared_ptr<Account> AccountOf(std::string_view tenant) const;
  void Count(const std::string& tenant, Account& account);

  Ledger* const ledger_;
  const CountingPace pace_;
  std::atomic<bool> stopping_{false};
  mutable Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Account>> accounts_ GUARDED_BY(mutex_);
  std::unique_ptr<Rounds> rounds_;  // last: it uses all of the above; none until there is a limit
};

}  // namespace onced

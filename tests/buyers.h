// SPDX-License-Identifier: MIT
// Buyers: callers of the ledger that want the same few things at a time, whatever befalls it:
// they claim, complete what they have won, look at what others did, and ask again, as the same
// caller, until they are told. With leases longer than any test, a second winner is a fault, and so
// is an acknowledged claim or result that is not there at the end.
//
// Threads: a Buyer belongs to one; a Progress to all.
// Invariants: what buyers are at moves on only when it is known to be done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/call_history.h"
#include "tests/witness.h"

namespace onced {

// Where the buyers are, and how long nothing was completed.
class Progress {
 public:
  static constexpr size_t kAtATime = 4;  // keys

  bool over() const { return over_; }
  void End() { over_ = true; }
  size_t first() const { return first_; }
  size_t completed() const { return completed_; }
  void Completed(size_t key);
  // It is done.
  void Seen(size_t key) { first_.compare_exchange_strong(key, key + 1); }
  // Between two completions, since it was asked last.
  std::chrono::milliseconds TakeLongest() {
    return std::chrono::milliseconds(longest_.exchange(0));
  }
  // Waits until the service is seen to be at work: within two minutes.
  bool Moves() const;

 private:
  std::atomic<size_t> first_{0};
  std::atomic<size_t> completed_{0};
  std::atomic<int64_t> last_ms_{0};  // 0: none yet
  std::atomic<int64_t> longest_{0};
  std::atomic<bool> over_{false};
};

class Buyer {
 public:
  Buyer(size_t number, Recorder* recorder, std::unique_ptr<Door> door, Progress* progress)
      : number_(number), witness_(recorder, std::move(door)), progress_(progress) {}

  // Where to ask when nobody answers any more.
  void GoOnAt(std::function<std::unique_ptr<Door>()> next) { next_ = std::move(next); }
  // Until it is over.
  void Buy();
  // At all that was ever wanted, for JudgeBuyers.
  void LookAtAll();

 private:
  Answer AskUntilTold(const Question& question);

  const size_t number_;
  Witness witness_;
  Progress* const progress_;
  std::function<std::unique_ptr<Door>()> next_;
};

// What is wrong, a line each; "": nothing. Every key was looked at last.
std::string JudgeBuyers(const std::vector<Call>& calls);

}  // namespace onced

// SPDX-License-Identifier: MIT
// RandomLedger: a made-up run of many callers against Decide() itself, one random step at a time
// under a clock of its own: legal by construction, and a history to try a checker on. It can be
// told to lie, once, the first time that it can do so plainly; then no checker may believe it.
//
// Threads: one.
// Invariants: the same seed makes the same history. A lie is told while no other call of its key is
// open or was since, and far from the end of a lease or a retention.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/transition.h"
#include "tests/call_history.h"

namespace onced {

enum class Lie {
  kNone,
  kStaleFenceAccepted,
  kSecondWinner,
  kLostCompletion,
  kOtherBytes,
  kFenceReused,
  kEarlyExpiry,
  kStaleRead,
  kNeverLapses,
};

class RandomLedger {
 public:
  RandomLedger(uint64_t seed, Lie lie) : random_(seed), lie_(lie) {}

  std::vector<Call> Run(size_t calls);
  bool lied() const { return lied_; }

 private:
  struct Caller {
    enum { kIdle, kAsking, kDone } state = kIdle;
    size_t key = 0;
    uint64_t ended_before = 0;  // calls of its key, when it asked
    Call call;
  };
  struct OneKey {
    std::optional<Record> record;
    std::vector<uint64_t> fences;  // that somebody was told
    uint64_t ended = 0;
    int64_t leased_to_ms = 0;  // at the latest, as the callers know
  };
  static constexpr size_t kCallers = 6;
  static constexpr size_t kKeys = 3;

  bool Chance(unsigned one_in) { return random_() % one_in == 0; }
  void Step(Caller* caller);
  void Ask(Caller* caller);
  void Do(Caller* caller);
  void Return(Caller* caller);
  Command CommandOf(const Question& asked) const;
  Answer AnswerOf(const OneKey& key, const Question& asked, const Decision& decision) const;
  Answer Find(const OneKey& key) const;
  bool CanLie(const Caller& caller);
  void TellLie(Caller* caller);
  void LookAgain(const Caller& caller);

  std::mt19937_64 random_;
  const Lie lie_;
  bool lied_ = false;
  int64_t now_ms_ = 1'000'000;
  int64_t tick_ = 0;
  uint64_t fence_ = 100;
  OneKey keys_[kKeys];
  Caller callers_[kCallers];
  std::vector<Call> calls_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// CallHistory: what callers on many threads asked and were told, key by key, with the times at
// which they asked and heard; and the verdict on it (linearizability.h).
//
// Threads: a Pen is one caller's; CallHistory belongs to who starts them.
// Invariants: a call is noted once, when it is over; one that was never answered has no end.
#pragma once

#include <time.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/linearizability.h"

namespace onced {

class CallHistory {
 public:
  class Pen {
   public:
    // Calls `ask`, which fills in what was told and returns whether anything was.
    template <typename Ask>
    bool Note(const std::string& key, Call call, const Ask& ask) {
      call.begun_ns = NowNs();
      const bool answered = ask(call);
      call.ended_ns = answered ? NowNs() : Call::kNever;
      if (!answered) call.told = Call::Told::kNothing;
      calls_.emplace_back(key, call);
      return answered;
    }

   private:
    friend class CallHistory;
    std::vector<std::pair<std::string, Call>> calls_;
  };

  // The kernel's, as leases go by it: it also runs while the machine sleeps.
  static int64_t NowNs() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
  }

  // Stays where it is.
  Pen* NewPen() { return &pens_.emplace_back(); }

  // REQUIRES: nobody writes. What is wrong, key by key.
  std::vector<std::string> Wrongs() const {
    std::map<std::string, std::vector<Call>> by_key;
    for (const Pen& pen : pens_) {
      for (const auto& [key, call] : pen.calls_) by_key[key].push_back(call);
    }
    std::vector<std::string> wrongs;
    for (auto& [key, calls] : by_key) {
      const auto why = Refuted(std::move(calls));
      if (why.has_value()) wrongs.push_back(key + " " + *why);
    }
    return wrongs;
  }
  uint64_t calls() const {
    uint64_t calls = 0;
    for (const Pen& pen : pens_) calls += pen.calls_.size();
    return calls;
  }
  uint64_t unanswered() const {
    uint64_t open = 0;
    for (const Pen& pen : pens_) {
      for (const auto& [key, call] : pen.calls_) open += call.told == Call::Told::kNothing;
    }
    return open;
  }

 private:
  std::deque<Pen> pens_;
};

}  // namespace onced

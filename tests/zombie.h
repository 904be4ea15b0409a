// SPDX-License-Identifier: MIT
// Zombie: the owner of a claim in a process of its own, which stops (SIGSTOP) as soon as it has
// won, and goes on when it is woken, long after its lease, as if nothing had happened: it
// completes, renews and gives back with its old fence.
//
// Threads: the one that made it; the process is forked, so no other may run in that moment.
// Invariants: the process does not outlive its object, nor the thread that made it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/witness.h"

namespace onced {

struct Ports {
  uint16_t http = 0;
  uint16_t redis = 0;
};

class Zombie {
 public:
  static constexpr int64_t kLeaseMs = 150;

  // By HTTP when the number is even, otherwise by Redis.
  Zombie(size_t number, Ports ports);
  ~Zombie();
  Zombie(const Zombie&) = delete;
  Zombie& operator=(const Zombie&) = delete;

  const std::string& key() const { return key_; }
  size_t number() const { return number_; }

  // Until it has asked, and is stopped. Its fence; 0: it has not won.
  uint64_t WaitUntilStopped();
  // It goes on, on its own connection, or with a server at other `ports`. How many of its tries
  // were not refused.
  size_t WakeAndCountTaken(Ports ports = {});
  // What it has asked so far, and was told.
  const std::vector<Call>& calls() const { return calls_; }

 private:
  Question Try(size_t i) const;
  void Note(Question question);
  void Live(Ports ports);
  void Tell(const CallHistory& history) const;

  const size_t number_;
  const std::string key_;
  int up_[2] = {-1, -1};
  int down_[2] = {-1, -1};
  pid_t pid_ = -1;
  uint64_t fence_ = 0;
  std::vector<Call> calls_;
};

}  // namespace onced

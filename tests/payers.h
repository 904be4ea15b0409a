// SPDX-License-Identifier: MIT
// Payers: clients of a gateway that pay for the same few things at a time, again and again, and
// remember what each was told; and the judgement of it: nothing was paid twice, and who was told
// that it is done was always told the same.
//
// Threads: a Payer belongs to one at a time; JudgePayers when they have ended.
// Invariants: what is paid for moves on, so that many things are paid for, and none forgotten.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/program.h"

namespace onced {

class Payer {
 public:
  // `first`: the oldest key that all payers are at.
  Payer(std::atomic<size_t>* first, uint64_t seed) : first_(first), random_(seed) {}

  void GoTo(uint16_t gateway_port) { client_ = std::make_unique<Client>(gateway_port); }
  // Pays once. False: nobody answers any more.
  bool Step();
  // What it was told by 2xx answers, each thing once, by key.
  const std::map<std::string, std::vector<std::string>>& told() const { return told_; }

 private:
  std::atomic<size_t>* const first_;
  std::mt19937_64 random_;
  std::unique_ptr<Client> client_;
  std::map<std::string, std::vector<std::string>> told_;
};

// What is wrong, with the key; "": nothing. `runs`: how often each key was run. Asks for all that
// was paid again, at the gateway.
std::string JudgePayers(const std::vector<std::unique_ptr<Payer>>& payers,
                        const std::map<std::string, size_t>& runs, uint16_t gateway_port,
                        size_t* paid);

}  // namespace onced

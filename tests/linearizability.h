// SPDX-License-Identifier: MIT
// Linearizability: whether the answers of a CallHistory could have come from one ledger that did
// one call at a time, each between its beginning and its end (Wing and Gong's question, asked key
// by key, since keys know nothing of each other, and end by end as Lowe does). A refused history is
// explained by the first answer that cannot be, and the calls around it.
//
// Threads: one; pure.
// Invariants: 1. No call is placed outside its own time. 2. Every state that the calls ended so far
// allow is kept, each but once; so "refused" is a proof, and "legal" is one too unless `undecided`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/key_model.h"

namespace onced {

struct Verdict {
  bool legal = false;
  bool undecided = false;  // more states than kStatesMax: not legal, and not a proof
  std::string key;         // that is refused
  std::string why;
  size_t decided = 0;  // calls: what was refused, or never told, is none of a proof
  size_t keys = 0;
  size_t states_most = 0;  // that were kept at a time
};

constexpr size_t kStatesMax = 20'000;

Verdict CheckHistory(std::vector<Call> calls, const Slack& slack = {});

}  // namespace onced

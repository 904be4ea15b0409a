// SPDX-License-Identifier: MIT
// What is said of a history that was made: whether it can be explained, and whether it proves
// anything. Only decided calls do: of each kind of answer there must be a share, and of all answers
// most must be decided, or a program that refuses everything would pass.
//
// Threads: one; Judge() is pure but for what it prints.
// Invariants: a history is good when Judgement::wrong is empty, and only then.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/linearizability.h"
#include "tests/proof.h"

namespace onced {

struct Trial {
  size_t callers = 0;
  size_t faults = 0;  // each takes at most one answer from each caller
  uint64_t seed = 0;
  size_t decided_least = 1;        // so many calls must have been
  size_t refused_most_in_100 = 0;  // of the answers
  size_t unclear_most = 0;         // answers that do not say what was done
};

struct Judgement {
  Verdict verdict;
  std::map<Told, size_t> told;  // without the claims whose callers hung up
  size_t unclear = 0;
  std::string wrong;  // all that is, a line each; "": nothing
};

Judgement Judge(std::vector<Call> calls, const Slack& slack, const Trial& trial);

// The same as a test's own verdict, and its line of proof.
inline void JudgeAndTell(const std::string& what, const CallHistory& history, const Slack& slack,
                         const Trial& trial) {
  const Judgement judgement = Judge(history.Calls(), slack, trial);
  EXPECT_EQ(judgement.wrong, "");
  Tell(what, judgement.verdict.decided, trial.faults, judgement.wrong.empty() ? 0 : 1, trial.seed);
}

}  // namespace onced

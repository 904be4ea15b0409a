// SPDX-License-Identifier: MIT
// What a test says of the history that it has made: whether it can be explained, how long that took
// to find out, what was answered how often, and the line of proof.
//
// Threads: the test's own.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/linearizability.h"
#include "tests/proof.h"

namespace onced {

struct Trial {
  size_t callers = 0;
  size_t faults = 0;  // each takes at most one answer from each caller
  uint64_t seed = 0;
};

inline void Judge(const std::string& what, const CallHistory& history, const Slack& slack,
                  const Trial& trial) {
  const auto begun = std::chrono::steady_clock::now();
  const std::vector<Call> calls = history.Calls();
  const Verdict verdict = CheckHistory(calls, slack);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_TRUE(verdict.legal) << "key " << verdict.key << ": " << verdict.why;
  std::printf("%zu calls of %zu keys judged in %.2f s, %zu states at most\n", verdict.calls,
              verdict.keys, took.count(), verdict.states_most);
  std::map<Told, size_t> told;
  for (const Call& call : calls) told[call.told.what] += call.asked.hung_up == 0 ? 1 : 0;
  EXPECT_LE(told[Told::kNothing], trial.faults * trial.callers) << "one a caller and life is lost";
  for (const auto& [answer, count] : told) std::printf("%s %zu, ", NameOf(answer), count);
  std::printf("\n");
  Tell(what, verdict.calls, trial.faults, verdict.legal ? 0 : 1, trial.seed);
}

}  // namespace onced

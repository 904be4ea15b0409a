// SPDX-License-Identifier: MIT
#include "tests/judge.h"

#include <chrono>
#include <cstdio>

namespace onced {
namespace {

// Of a thousand decided calls at least so many; RandomCaller makes twice as many and more,
// whatever befalls it.
struct Floor {
  Told what;
  size_t in_1000;
};
constexpr Floor kFloors[] = {
    {Told::kClaimed, 20},       {Told::kReplay, 50},        {Told::kConflict, 20},
    {Told::kInFlight, 40},      {Told::kCompleted, 8},      {Told::kReleased, 4},
    {Told::kRenewed, 4},        {Told::kStale, 8},          {Told::kAbsent, 5},
    {Told::kFoundInFlight, 20}, {Told::kFoundCompleted, 10}};

std::string Few(const std::string& what, size_t count, size_t least) {
  return count >= least ? ""
                        : what + ": " + std::to_string(count) + ", of at least " +
                              std::to_string(least) + "\n";
}
std::string Many(const std::string& what, size_t count, size_t most) {
  return count <= most
             ? ""
             : what + ": " + std::to_string(count) + ", of at most " + std::to_string(most) + "\n";
}

}  // namespace

Judgement Judge(std::vector<Call> calls, const Slack& slack, const Trial& trial) {
  Judgement judgement;
  std::map<Told, size_t>& told = judgement.told;
  size_t answered = 0;
  for (const Call& call : calls) {
    answered += call.answered() ? 1 : 0;
    judgement.unclear += call.told.unclear ? 1 : 0;
    if (call.asked.hung_up == 0) ++told[call.told.what];
  }
  const auto begun = std::chrono::steady_clock::now();
  const Verdict& verdict = judgement.verdict = CheckHistory(std::move(calls), slack);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%zu decided calls of %zu keys judged in %.2f s, %zu states at most\n",
              verdict.decided, verdict.keys, took.count(), verdict.states_most);
  for (const auto& [answer, count] : told) std::printf("%s %zu, ", NameOf(answer), count);
  std::printf("unclear %zu\n", judgement.unclear);

  std::string& wrong = judgement.wrong;
  if (!verdict.legal) wrong += "key " + verdict.key + ": " + verdict.why + "\n";
  wrong += Few("decided calls", verdict.decided, trial.decided_least);
  for (const Floor& floor : kFloors) {
    wrong += Few(NameOf(floor.what), told[floor.what], verdict.decided * floor.in_1000 / 1'000 + 1);
  }
  wrong += Many("refused", told[Told::kRefused], answered * trial.refused_most_in_100 / 100);
  wrong += Many("unclear answers", judgement.unclear, trial.unclear_most);
  // One a caller and life is lost.
  wrong += Many("calls without an answer", told[Told::kNothing], trial.faults * trial.callers);
  return judgement;
}

}  // namespace onced

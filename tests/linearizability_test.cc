// SPDX-License-Identifier: MIT
// The checker is checked: short histories made by hand, one or two a rule; long random ones that
// Decide() itself has made, which must pass; and the same with one lie in it, which must not.
#include "tests/linearizability.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/fixtures.h"
#include "tests/proof.h"
#include "tests/random_ledger.h"

namespace onced {
namespace {

constexpr Slack kNoSlack{.early_ms = 0, .late_ms = 0};

Call At(int64_t from_ms, int64_t to_ms, Question asked, Answer told) {
  asked.key = "k";
  const bool open = to_ms == kForever;
  return {.asked = asked,
          .told = told,
          .called_ns = from_ms * 1'000'000,
          .returned_ns = open ? kForever : to_ms * 1'000'000,
          .called_ms = from_ms,
          .returned_ms = to_ms};
}
Question Claim(uint64_t claim_id = 0, uint64_t fingerprint = 7) {
  return {.what = Asked::kClaim,
          .fingerprint = fingerprint,
          .claim_id = claim_id,
          .lease_ms = 100,
          .retention_ms = 1'000};
}
Question ClaimUnknown() {
  Question claim = Claim();
  claim.unknown_on_lapse = true;
  return claim;
}
Question Complete(uint64_t fence, uint64_t result = 50) {
  return {.what = Asked::kComplete, .fence = fence, .result = result};
}
Question Release(uint64_t fence) { return {.what = Asked::kRelease, .fence = fence}; }
Question Renew(uint64_t fence) { return {.what = Asked::kRenew, .fence = fence, .lease_ms = 100}; }
Question Find() { return {.what = Asked::kFind}; }

Answer Claimed(uint64_t fence) { return {.what = Told::kClaimed, .fence = fence}; }
Answer Replay(uint64_t result = 50) { return {.what = Told::kReplay, .result = result}; }
Answer Found(Told what, uint64_t fence, uint64_t result = 0) { return {what, fence, result}; }
Answer Is(Told what) { return {.what = what}; }

void Passes(const std::vector<Call>& calls, int line = __builtin_LINE()) {
  const Verdict verdict = CheckHistory(calls, kNoSlack);
  EXPECT_TRUE(verdict.legal) << "line " << line << ": " << verdict.why;
}
void Refused(const std::vector<Call>& calls, int line = __builtin_LINE()) {
  const Verdict verdict = CheckHistory(calls, kNoSlack);
  EXPECT_FALSE(verdict.legal) << "line " << line << ": believed";
  EXPECT_FALSE(verdict.undecided);
}

TEST(Linearizability, HasOneWinnerAtATime) {
  Passes({At(0, 10, Claim(), Claimed(1)), At(0, 10, Claim(), Is(Told::kInFlight))});
  Refused({At(0, 10, Claim(), Claimed(1)), At(0, 10, Claim(), Claimed(2))});
  // The loser was answered before any winner asked.
  Refused({At(0, 10, Claim(), Is(Told::kInFlight)), At(20, 30, Claim(), Claimed(1))});
  Passes({At(0, 10, Claim(), Claimed(1)), At(20, 30, Claim(0, 8), Is(Told::kConflict))});
  Refused({At(0, 10, Claim(), Claimed(1)), At(20, 30, Claim(0, 8), Is(Told::kInFlight))});
}

TEST(Linearizability, LetsALeaseLapseButNotEarlyAndNotLate) {
  Passes({At(0, 10, Claim(), Claimed(1)), At(90, 100, Claim(), Claimed(2))});
  Refused({At(0, 10, Claim(), Claimed(1)), At(90, 99, Claim(), Claimed(2))});
  Passes({At(0, 10, Claim(), Claimed(1)), At(109, 120, Claim(), Is(Told::kInFlight))});
  Refused({At(0, 10, Claim(), Claimed(1)), At(110, 120, Claim(), Is(Told::kInFlight))});
  // A renewal moves the end.
  Refused({At(0, 10, Claim(), Claimed(1)), At(50, 60, Renew(1), Is(Told::kRenewed)),
           At(130, 140, Claim(), Claimed(2))});
  Passes({At(0, 10, Claim(), Claimed(1)), At(50, 60, Renew(1), Is(Told::kRenewed)),
          At(140, 150, Claim(), Claimed(2))});
}

TEST(Linearizability, LetsTheNewestFenceCompleteLateAndNoOther) {
  Passes({At(0, 10, Claim(), Claimed(1)), At(500, 510, Complete(1), Is(Told::kCompleted))});
  const Call first = At(0, 10, Claim(), Claimed(1));
  const Call second = At(200, 210, Claim(), Claimed(2));
  for (const Question& late : {Complete(1), Release(1), Renew(1)}) {
    Passes({first, second, At(220, 230, late, Is(Told::kStale))});
    const Told done = late.what == Asked::kComplete  ? Told::kCompleted
                      : late.what == Asked::kRelease ? Told::kReleased
                                                     : Told::kRenewed;
    Refused({first, second, At(220, 230, late, Is(done))});
    Passes({first, second, At(190, 230, late, Is(Told::kStale))});
    Refused({first, At(20, 30, late, Is(Told::kStale)), second});
  }
}

TEST(Linearizability, NeverTakesAFenceTwice) {
  const Call released = At(20, 30, Release(5), Is(Told::kReleased));
  Passes({At(0, 10, Claim(), Claimed(5)), released, At(40, 50, Claim(), Claimed(6))});
  Refused({At(0, 10, Claim(), Claimed(5)), released, At(40, 50, Claim(), Claimed(5))});
  Refused({At(0, 10, Claim(), Claimed(5)), released, At(40, 50, Claim(), Claimed(4))});
}

TEST(Linearizability, ReplaysTheBytesThatWereCompletedUntilTheyDie) {
  const Call won = At(0, 10, Claim(), Claimed(1));
  const Call done = At(20, 30, Complete(1), Is(Told::kCompleted));
  Passes({won, done, At(40, 50, Claim(), Replay())});
  Refused({won, done, At(40, 50, Claim(), Replay(51))});
  Refused({won, At(40, 50, Claim(), Replay())});
  Refused({won, done, At(40, 50, Claim(), Claimed(2))});
  Refused({won, done, At(40, 50, Find(), Found(Told::kFoundInFlight, 1))});
  Passes({won, done, At(40, 50, Complete(1), Is(Told::kCompleted))});
  Refused({won, done, At(40, 50, Complete(1, 51), Is(Told::kCompleted))});
  Passes({won, done, At(1'020, 1'021, Claim(), Claimed(2))});
  Refused({won, done, At(1'000, 1'019, Find(), Is(Told::kAbsent))});
  Refused({won, done, At(1'030, 1'040, Claim(), Replay())});
  // Whoever saw that it is gone has seen it for all.
  Refused({won, done, At(1'020, 1'021, Find(), Is(Told::kAbsent)),
           At(1'023, 1'024, Claim(), Replay())});
}

TEST(Linearizability, KnowsOfRunsThatNobodyKnowsTheEndOf) {
  const Call won = At(0, 10, ClaimUnknown(), Claimed(1));
  Passes(
      {won, At(200, 210, Claim(), Is(Told::kUnknown)), At(300, 310, Claim(), Is(Told::kUnknown))});
  Refused({won, At(200, 210, Claim(), Claimed(2))});
  Refused({won, At(50, 60, Claim(), Is(Told::kUnknown))});
  const Call seen = At(200, 210, Claim(), Is(Told::kUnknown));
  Passes({won, seen, At(220, 230, Complete(1), Is(Told::kCompleted))});
  Passes({won, seen, At(220, 230, Renew(1), Is(Told::kStale))});
  Refused({won, seen, At(220, 230, Renew(1), Is(Told::kRenewed))});
}

TEST(Linearizability, AllowsBothForWhatWasNotAnswered) {
  const Call lost = At(0, kForever, Claim(9), {});
  Passes({lost, At(20, 30, Claim(), Claimed(1))});
  Passes({lost, At(20, 30, Claim(), Is(Told::kInFlight))});
  Passes({lost, At(20, 30, Claim(9), Claimed(1)), At(40, 50, Claim(9), Claimed(1))});
  Refused({lost, At(20, 30, Claim(9), Claimed(1)), At(40, 50, Claim(9), Claimed(2))});
  Passes({lost, At(20, 30, Find(), Found(Told::kFoundInFlight, 4)),
          At(200, 210, Claim(), Claimed(5))});
  Refused({lost, At(20, 30, Find(), Found(Told::kFoundInFlight, 4)),
           At(200, 210, Claim(), Claimed(4))});
  // It can happen once, and cannot be undone.
  Refused({lost, At(20, 30, Claim(), Is(Told::kInFlight)), At(40, 50, Find(), Is(Told::kAbsent))});
  // The server that had it died: it does not happen any more.
  Refused({At(0, 10, Claim(9), {}), At(20, 30, Find(), Is(Told::kAbsent)),
           At(40, 50, Claim(), Is(Told::kInFlight))});
  Passes({At(0, 10, Claim(9), {}), At(20, 30, Claim(), Is(Told::kInFlight))});
}

TEST(Linearizability, AllowsAClaimToBeTakenBackWhenItsCallerHungUp) {
  Question claim = Claim();
  claim.hung_up = 3;
  Question undone = claim;
  undone.what = Asked::kRelease;
  const Call lost = At(0, kForever, claim, {});
  const Call back = At(0, kForever, undone, {});
  const Call held = At(20, 30, Claim(), Is(Told::kInFlight));
  Passes({lost, back, held, At(40, 50, Find(), Is(Told::kAbsent))});
  Refused({lost, held, At(40, 50, Find(), Is(Told::kAbsent))});
  Passes({lost, back, held, At(40, 50, Claim(), Claimed(1))});
  // Another's claim is not taken back.
  Refused({lost, back, At(20, 30, Claim(), Claimed(1)), At(40, 50, Find(), Is(Told::kAbsent))});
}

TEST(Linearizability, TellsWhichKeyAndWhichCalls) {
  const Verdict verdict =
      CheckHistory({At(0, 10, Claim(), Claimed(1)), At(20, 30, Release(1), Is(Told::kReleased)),
                    At(40, 50, Claim(), Claimed(2)), At(60, 70, Complete(1), Is(Told::kCompleted)),
                    At(80, 90, Claim(), Is(Told::kInFlight))},
                   kNoSlack);
  EXPECT_FALSE(verdict.legal);
  EXPECT_EQ(verdict.key, "k");
  EXPECT_EQ(verdict.why,
            "cannot be: [60..70 ms] caller 0: complete fence=1 result=50 -> completed\n"
            "for by then the key was\n"
            "  in flight, fence 2, lease until 140..150 ms\n"
            "and no order of these, the calls since, allows it:\n"
            "  [40..50 ms] caller 0: claim fingerprint=7 lease=100 -> claimed fence=2\n"
            "  [60..70 ms] caller 0: complete fence=1 result=50 -> completed");
}

TEST(Linearizability, PassesWhatTheLedgerDecides) {
  const uint64_t seed = Seed(1);
  size_t calls = 0, states = 0;
  for (uint64_t run = 0; run < 300; ++run) {
    const Verdict verdict = CheckHistory(RandomLedger(seed + run, Lie::kNone).Run(400), kNoSlack);
    ASSERT_TRUE(verdict.legal) << "seed " << seed + run << ", " << verdict.key << ": "
                               << verdict.why;
    calls += verdict.decided;
    states = std::max(states, verdict.states_most);
  }
  Tell("checker-legal", calls, states, 0, seed);
}

std::string NameOf(Lie lie) {
  static constexpr const char* kNames[] = {"None",           "StaleFenceAccepted", "SecondWinner",
                                           "LostCompletion", "OtherBytes",         "FenceReused",
                                           "EarlyExpiry",    "StaleRead",          "NeverLapses"};
  return kNames[static_cast<size_t>(lie)];
}

class Lies : public testing::TestWithParam<Lie> {};

TEST_P(Lies, AreFoundOut) {
  const uint64_t seed = Seed(1);
  size_t lies = 0, believed = 0;
  for (uint64_t run = 0; run < 300; ++run) {
    RandomLedger liar(seed + run, GetParam());
    const std::vector<Call> calls = liar.Run(400);
    if (!liar.lied()) continue;
    ++lies;
    const bool legal = CheckHistory(calls, kNoSlack).legal;
    believed += legal ? 1 : 0;
    EXPECT_FALSE(legal) << "seed " << seed + run;
  }
  EXPECT_GT(lies, 20u);
  Tell("checker-lie-" + NameOf(GetParam()), lies, lies, believed, seed);
}

INSTANTIATE_TEST_SUITE_P(Each, Lies,
                         testing::Values(Lie::kStaleFenceAccepted, Lie::kSecondWinner,
                                         Lie::kLostCompletion, Lie::kOtherBytes, Lie::kFenceReused,
                                         Lie::kEarlyExpiry, Lie::kStaleRead, Lie::kNeverLapses),
                         [](const auto& lie) { return NameOf(lie.param); });

TEST(CallHistory, KeepsEveryCallOfEveryThread) {
  CallHistory history;
  constexpr size_t kThreads = 4, kCalls = 10'000;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([recorder = history.NewRecorder()] {
      for (size_t i = 0; i < kCalls; ++i) {
        recorder->Begin({.key = "k" + std::to_string(i)});
        recorder->End({.what = i % 10 == 0 ? Told::kNothing : Told::kAbsent});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<Call> before = history.Calls();
  EXPECT_EQ(before.size(), kThreads * kCalls);
  history.ServerIsGone();
  size_t open = 0;
  for (const Call& call : before) open += call.returned_ns == kForever ? 1 : 0;
  EXPECT_EQ(open, kThreads * kCalls / 10);
  for (const Call& call : history.Calls()) {
    ASSERT_LE(call.called_ns, call.returned_ns);
    ASSERT_NE(call.returned_ns, kForever);
  }
  EXPECT_TRUE(CheckHistory(before).legal);
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// The judge is judged: histories that a ledger could have made, all of them, and that still prove
// nothing, or too little.
#include "tests/judge.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace onced {
namespace {

constexpr size_t kKeys = 50;

class Story {
 public:
  void Add(Question asked, Answer told) {
    asked.key = "k" + std::to_string(key_);
    ++now_ms_;
    calls_.push_back({.asked = asked,
                      .told = told,
                      .called_ns = now_ms_ * 1'000'000,
                      .returned_ns = now_ms_ * 1'000'000 + 1,
                      .called_ms = now_ms_,
                      .returned_ms = now_ms_});
  }
  // Of each kind of answer one at least, for every key.
  void AddAllKinds() {
    for (key_ = 0; key_ < kKeys; ++key_) {
      const Question claim{.what = Asked::kClaim,
                           .fingerprint = 7,
                           .lease_ms = 3'600'000,
                           .retention_ms = 3'600'000};
      Question other = claim;
      other.fingerprint = 8;
      const Question find{.what = Asked::kFind};
      Add(find, {.what = Told::kAbsent});
      Add(claim, {.what = Told::kClaimed, .fence = 1});
      Add({.what = Asked::kRelease, .fence = 1}, {.what = Told::kReleased});
      Add(claim, {.what = Told::kClaimed, .fence = 2});
      Add({.what = Asked::kRelease, .fence = 1}, {.what = Told::kStale});
      Add(claim, {.what = Told::kInFlight});
      Add(other, {.what = Told::kConflict});
      Add({.what = Asked::kRenew, .fence = 2, .lease_ms = 3'600'000}, {.what = Told::kRenewed});
      Add(find, {.what = Told::kFoundInFlight, .fence = 2});
      Add({.what = Asked::kComplete, .fence = 2, .result = 5}, {.what = Told::kCompleted});
      Add(claim, {.what = Told::kReplay, .result = 5});
      Add(find, {.what = Told::kFoundCompleted, .fence = 2, .result = 5});
    }
  }
  const std::vector<Call>& calls() const { return calls_; }

 private:
  std::vector<Call> calls_;
  size_t key_ = 0;
  int64_t now_ms_ = 0;
};

Question Claim() {
  return {.what = Asked::kClaim, .fingerprint = 7, .lease_ms = 1'000, .retention_ms = 1'000};
}

TEST(Judge, TakesAHistoryWithEveryKindOfAnswer) {
  Story story;
  story.AddAllKinds();
  const Judgement judgement = Judge(story.calls(), {}, {.decided_least = 12 * kKeys});
  EXPECT_EQ(judgement.wrong, "");
  EXPECT_EQ(judgement.verdict.decided, 12 * kKeys);
}

TEST(Judge, DoesNotTakeOneInWhichAllIsRefused) {
  Story story;
  for (int i = 0; i < 1'000; ++i) story.Add(Claim(), {.what = Told::kRefused});
  const Judgement judgement = Judge(story.calls(), {}, {.refused_most_in_100 = 100});
  EXPECT_TRUE(judgement.verdict.legal);
  EXPECT_EQ(judgement.verdict.decided, 0u);
  EXPECT_NE(judgement.wrong.find("decided calls: 0, of at least 1\n"), std::string::npos);
}

TEST(Judge, DoesNotTakeMoreRefusalsThanItWasTold) {
  Story story;
  story.AddAllKinds();
  for (size_t i = 0; i < 12 * kKeys; ++i) story.Add(Claim(), {.what = Told::kRefused});
  EXPECT_EQ(Judge(story.calls(), {}, {.refused_most_in_100 = 50}).wrong, "");
  EXPECT_EQ(Judge(story.calls(), {}, {.refused_most_in_100 = 49}).wrong,
            "refused: 600, of at most 588\n");
}

TEST(Judge, DoesNotTakeAnswersThatSayNothing) {
  Story story;
  story.AddAllKinds();
  story.Add({.what = Asked::kFind}, {.what = Told::kNothing, .unclear = true});
  EXPECT_EQ(Judge(story.calls(), {}, {.callers = 1, .faults = 1}).wrong,
            "unclear answers: 1, of at most 0\n");
  EXPECT_EQ(Judge(story.calls(), {}, {.callers = 1, .faults = 1, .unclear_most = 1}).wrong, "");
  EXPECT_EQ(Judge(story.calls(), {}, {.unclear_most = 1}).wrong,
            "calls without an answer: 1, of at most 0\n");
}

// Each of them is missed when it is not there.
TEST(Judge, DoesNotTakeOneThatLacksAKind) {
  Story story;
  story.AddAllKinds();
  for (const Told kind : {Told::kClaimed, Told::kReplay, Told::kConflict, Told::kInFlight,
                          Told::kCompleted, Told::kReleased, Told::kRenewed, Told::kStale,
                          Told::kAbsent, Told::kFoundInFlight, Told::kFoundCompleted}) {
    std::vector<Call> calls = story.calls();
    std::erase_if(calls, [&](const Call& call) { return call.told.what == kind; });
    const std::string wrong = Judge(calls, {}, {}).wrong;
    EXPECT_NE(wrong.find(std::string(NameOf(kind)) + ": 0, of at least "), std::string::npos)
        << wrong;
  }
}

}  // namespace
}  // namespace onced

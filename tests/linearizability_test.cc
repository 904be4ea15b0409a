// SPDX-License-Identifier: MIT
// The checker by itself: histories that can be, written by hand and made at random by one who does
// one call after the other, and the same with one lie in them, which must be found.
#include "tests/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/fixtures.h"
#include "tests/proof.h"

namespace onced {
namespace {

using Kind = Call::Kind;
using Told = Call::Told;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kLong = 3'600'000 * kMs;

Call Claim(int64_t begun, int64_t ended, Told told, uint64_t fence = 0, int64_t lease = kLong) {
  return {.kind = Kind::kClaim,
          .told = told,
          .fence = fence,
          .fingerprint = 1,
          .lease_ns = lease,
          .begun_ns = begun * kMs,
          .ended_ns = ended == Call::kNever ? ended : ended * kMs};
}
Call Owner(Kind kind, int64_t begun, int64_t ended, Told told, uint64_t fence,
           uint64_t result = 0) {
  Call call = Claim(begun, ended, told, fence);
  call.kind = kind;
  call.result = result;
  return call;
}
Call Complete(int64_t begun, int64_t ended, Told told, uint64_t fence, uint64_t result) {
  return Owner(Kind::kComplete, begun, ended, told, fence, result);
}
Call Find(int64_t begun, int64_t ended, Told told, uint64_t fence = 0, uint64_t result = 0) {
  return Owner(Kind::kFind, begun, ended, told, fence, result);
}
Call Replay(int64_t begun, int64_t ended, uint64_t result) {
  Call call = Claim(begun, ended, Told::kReplay);
  call.result = result;
  return call;
}

bool CanBe(const std::vector<Call>& calls) { return !Refuted(calls).has_value(); }

TEST(Linearizability, AllowsWhatIsSo) {
  EXPECT_TRUE(CanBe({}));
  EXPECT_TRUE(
      CanBe({Find(0, 1, Told::kAbsent), Claim(2, 3, Told::kDone, 5), Claim(4, 5, Told::kInFlight),
             Complete(6, 7, Told::kDone, 5, 9), Complete(8, 9, Told::kDone, 5, 9),
             Replay(10, 11, 9), Find(12, 13, Told::kReplay, 0, 9)}));
  // At the same time, the answers in any order.
  EXPECT_TRUE(CanBe({Claim(0, 10, Told::kInFlight), Claim(0, 10, Told::kDone, 5)}));
  EXPECT_TRUE(CanBe({Complete(5, 20, Told::kDone, 5, 9), Replay(6, 7, 9),
                     Claim(0, 4, Told::kDone, 5), Claim(6, 8, Told::kInFlight)}));
  // Given up, and claimed again.
  EXPECT_TRUE(CanBe({Claim(0, 1, Told::kDone, 5), Owner(Kind::kRelease, 2, 3, Told::kDone, 5),
                     Claim(4, 5, Told::kDone, 6), Complete(6, 7, Told::kStale, 5, 1)}));
}

TEST(Linearizability, RefusesWhatIsNot) {
  // A second winner.
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Claim(2, 3, Told::kDone, 6)}));
  EXPECT_FALSE(CanBe({Claim(0, 9, Told::kDone, 5), Claim(0, 9, Told::kDone, 6)}));
  // A fence that does not rise.
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Owner(Kind::kRelease, 2, 3, Told::kDone, 5),
                      Claim(4, 5, Told::kDone, 5)}));
  // A completion that is gone, or is another.
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Complete(2, 3, Told::kDone, 5, 9),
                      Claim(4, 5, Told::kDone, 6)}));
  EXPECT_FALSE(
      CanBe({Claim(0, 1, Told::kDone, 5), Complete(2, 3, Told::kDone, 5, 9), Replay(4, 5, 8)}));
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Complete(2, 3, Told::kDone, 5, 9),
                      Find(4, 5, Told::kInFlight, 5)}));
  // The owner refused, and one who is not it let in.
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Complete(2, 3, Told::kStale, 5, 9)}));
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Complete(2, 3, Told::kDone, 4, 9)}));
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5), Owner(Kind::kRelease, 2, 3, Told::kDone, 4)}));
  // In flight, though nobody is.
  EXPECT_FALSE(CanBe({Find(0, 1, Told::kAbsent), Claim(2, 3, Told::kInFlight)}));
}

TEST(Linearizability, LetsALeaseLapseInItsTimeOnly) {
  const auto again = [](int64_t begun, int64_t ended) {
    return CanBe({Claim(100, 110, Told::kDone, 5, 50 * kMs), Claim(begun, ended, Told::kDone, 6)});
  };
  EXPECT_FALSE(again(120, 140)) << "early";
  EXPECT_TRUE(again(120, 151));
  const auto still = [](int64_t begun) {
    return CanBe(
        {Claim(100, 110, Told::kDone, 5, 50 * kMs), Claim(begun, begun + 1, Told::kInFlight)});
  };
  EXPECT_TRUE(still(160));
  EXPECT_FALSE(still(1'300)) << "it is over, and nobody may have it";
  // Late, but nobody has taken it.
  EXPECT_TRUE(
      CanBe({Claim(0, 1, Told::kDone, 5, 10 * kMs), Complete(500, 501, Told::kDone, 5, 9)}));
  // Renewed.
  EXPECT_FALSE(CanBe({Claim(0, 1, Told::kDone, 5, 50 * kMs),
                      Owner(Kind::kRenew, 40, 41, Told::kDone, 5), Claim(60, 70, Told::kDone, 6)}));
}

TEST(Linearizability, LeavesOpenWhatWasNotAnswered) {
  const Call lost = Claim(0, Call::kNever, Told::kNothing);
  EXPECT_TRUE(CanBe({lost, Claim(5, 6, Told::kDone, 7)})) << "it never happened";
  EXPECT_TRUE(CanBe({lost, Claim(5, 6, Told::kInFlight)})) << "it did";
  EXPECT_TRUE(CanBe({lost, Find(5, 6, Told::kInFlight, 7), Find(7, 8, Told::kInFlight, 7)}));
  EXPECT_FALSE(CanBe({lost, Find(5, 6, Told::kInFlight, 7), Find(7, 8, Told::kInFlight, 8)}));
  EXPECT_FALSE(CanBe({lost, Claim(5, 6, Told::kInFlight), Claim(7, 8, Told::kDone, 9)}));
  const Call done = Claim(0, 1, Told::kDone, 5);
  const Call open = Complete(2, Call::kNever, Told::kNothing, 5, 9);
  EXPECT_TRUE(CanBe({done, open, Claim(5, 6, Told::kInFlight), Replay(7, 8, 9)}));
  EXPECT_FALSE(CanBe({done, open, Replay(5, 6, 9), Claim(7, 8, Told::kInFlight)}));
}

TEST(Linearizability, SaysWhatCannotBe) {
  const auto why = Refuted({Claim(0, 1, Told::kDone, 5), Claim(2, 3, Told::kDone, 6)});
  ASSERT_TRUE(why.has_value());
  EXPECT_NE(why->find("claim -> done fence 6"), std::string::npos) << *why;
  EXPECT_NE(why->find("claim -> done fence 5"), std::string::npos) << *why;
}

// One key, as callers would see it who call at the same time, but are served one by one.
class Made {
 public:
  explicit Made(uint64_t seed) : random_(seed) {}

  std::vector<Call> Calls(size_t count) {
    std::vector<Call> calls;
    for (size_t i = 0; i < count; ++i) calls.push_back(Next());
    return calls;
  }

 private:
  Call Next() {
    now_ += 1 + static_cast<int64_t>(random_() % 5);
    // Its moment is now; it begins before and ends after, beside up to some ten others.
    Call call{.kind = static_cast<Kind>(random_() % 5),
              .fingerprint = 1 + random_() % 8 / 7,
              .lease_ns = kLong,
              .begun_ns = (now_ - static_cast<int64_t>(random_() % 15)) * kMs,
              .ended_ns = (now_ + static_cast<int64_t>(random_() % 15)) * kMs};
    const uint64_t shown = random_() % 3 > 0 ? fence_ : random_() % (newest_ + 2);
    switch (call.kind) {
      case Kind::kClaim:
        Claimed(call);
        break;
      case Kind::kFind:
        call.told = !in_flight_ && !completed_ ? Told::kAbsent
                    : completed_               ? Told::kReplay
                                               : Told::kInFlight;
        call.fence = in_flight_ ? fence_ : 0;
        call.result = completed_ ? result_ : 0;
        break;
      default:
        Shown(call, shown);
    }
    if (random_() % 20 == 0 && call.kind != Kind::kClaim) {
      call.told = Told::kNothing;
      call.ended_ns = Call::kNever;
    }
    return call;
  }
  void Claimed(Call& call) {
    if (!in_flight_ && !completed_) {
      in_flight_ = true;
      fingerprint_ = call.fingerprint;
      fence_ = newest_ = newest_ + 1 + random_() % 3;
      call.told = Told::kDone;
      call.fence = fence_;
    } else if (call.fingerprint != fingerprint_) {
      call.told = Told::kConflict;
    } else {
      call.told = completed_ ? Told::kReplay : Told::kInFlight;
      call.result = completed_ ? result_ : 0;
    }
  }
  void Shown(Call& call, uint64_t fence) {
    call.fence = fence;
    call.result = call.kind == Kind::kComplete ? 1 + random_() % 3 : 0;
    const bool same =
        completed_ && fence == fence_ && call.kind == Kind::kComplete && call.result == result_;
    call.told = same || (in_flight_ && fence == fence_) ? Told::kDone : Told::kStale;
    if (call.told == Told::kStale || same || call.kind == Kind::kRenew) return;
    in_flight_ = false;
    // Mostly given up: what is completed stays.
    completed_ = call.kind == Kind::kComplete;
    result_ = call.result;
  }

  std::mt19937_64 random_;
  int64_t now_ = 100;
  bool in_flight_ = false;
  bool completed_ = false;
  uint64_t fingerprint_ = 0;
  uint64_t fence_ = 0;
  uint64_t newest_ = 0;
  uint64_t result_ = 0;
};

TEST(Linearizability, AllowsWhatWasMadeOneByOne) {
  Proof proof("histories made at random", "ONCED_HISTORIES", 2'000);
  size_t calls = 0;
  for (; proof.count < proof.rounds(); ++proof.count) {
    const std::vector<Call> made = Made(proof.seed() + proof.count).Calls(60);
    calls += made.size();
    const auto why = Refuted(made);
    if (!why.has_value()) continue;
    ++proof.failures;
    ADD_FAILURE() << "history " << proof.count << ": " << *why;
    break;
  }
  proof.remark = std::to_string(calls) + " calls";
}

// One answer is another than it was. Not all of these are lies: what cannot be told apart from the
// truth must be let pass, so most must be found, and none of a kind that always is one.
TEST(Linearizability, FindsALieInThem) {
  Proof proof("histories with a lie", "ONCED_HISTORIES", 2'000);
  std::mt19937_64 random(proof.seed());
  std::map<std::string, std::pair<int, int>> found;  // of so many
  for (; proof.count < proof.rounds(); ++proof.count) {
    std::vector<Call> calls = Made(proof.seed() + proof.count).Calls(60);
    Call& call = calls[random() % calls.size()];
    if (call.told == Told::kNothing) continue;
    std::string lie;
    if (call.kind == Kind::kClaim && call.told == Told::kDone) {
      call.fence = 0;
      lie = "fence reused";
      call.fence = 1;
      if (call.begun_ns < 200 * kMs) continue;
    } else if (call.kind == Kind::kClaim && call.told == Told::kReplay) {
      call.result += 7;
      lie = "other bytes";
    } else if (call.kind == Kind::kClaim) {
      call.told = Told::kDone;
      call.fence = 1'000'000;
      lie = "second winner";
    } else if (call.kind == Kind::kFind && call.told == Told::kInFlight) {
      call.fence += 1'000'000;
      lie = "other owner";
    } else {
      continue;
    }
    ++proof.faults;
    auto& [caught, all] = found[lie];
    ++all;
    if (Refuted(calls).has_value()) ++caught;
  }
  for (const auto& [lie, numbers] : found) {
    proof.remark +=
        lie + " " + std::to_string(numbers.first) + "/" + std::to_string(numbers.second) + " ";
    EXPECT_GE(numbers.first * 10, numbers.second * 8) << lie;
    EXPECT_GT(numbers.second, 0) << lie;
  }
  EXPECT_EQ(found["other bytes"].first, found["other bytes"].second);
}

TEST(Linearizability, IsQuickEnoughForALongHistory) {
  const std::vector<Call> made = Made(1).Calls(100'000);
  EXPECT_TRUE(CanBe(made));
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Decide() against the table of states and commands, every cell of it: what it answers, what it
// writes, how the next record reads, which run it ends with which events, and whom it wakes.
//
// The table below is written from the design, not from transition.cc. A record that is dead has no
// column of its own: each kind of dead record is put through the column "absent".
#include "engine/transition.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

// The run that all columns tell of: claimed at 1,000, its lease ends at 2,000.
constexpr uint64_t kFence = 7;
constexpr uint64_t kFreshFence = 9;
constexpr int64_t kNowLive = 1'500;
constexpr int64_t kNowLapsed = 2'600;

Record InFlight(OnLapse on_lapse = OnLapse::kRetry) {
  return {.state = State::kInFlight,
          .on_lapse = on_lapse,
          .attempt = 3,
          .fence = kFence,
          .claimed_at_ms = 1'000,
          .lease_until_ms = 2'000,
          .retention_ms = 5'000,
          .fingerprint = "fp",
          .claim_id = "id",
          .holder = "holder"};
}
Record Completed() {
  Record record = InFlight();
  record.state = State::kCompleted;
  record.completed_at_ms = 1'200;
  record.result = "result";
  return record;
}
Record Unknown(int64_t unknown_retention_ms = 0) {
  Record record = InFlight(OnLapse::kUnknown);
  record.state = State::kUnknown;
  record.unknown_at_ms = 1'300;
  record.unknown_retention_ms = unknown_retention_ms;
  return record;
}

// What becomes of the record. All but kSame and kNudge write.
enum class Change {
  kSame,       // nothing is written, nobody is woken
  kNudge,      // the same, but the oldest waiter is woken
  kFresh,      // a first run begins
  kRetaken,    // the next run begins, the lapsed one ends
  kUnknown,    // the run becomes unknown
  kCompleted,  // the run is completed
  kStored,     // a result nobody claimed
  kRenewed,
  kReleased,
  kResolved,   // completed by decision
  kDismissed,  // released by decision
  kForgotten,
};
struct Cell {
  Outcome outcome;
  Change change = Change::kSame;
};
struct Row {
  const char* name;
  Command command;
  Cell absent, live, lapsed_retry, lapsed_unknown, completed, unknown;
  bool first_in_line = true;
};

const ClaimCommand kClaim{.fingerprint = "fp",
                          .lease_ms = 700,
                          .retention_ms = 900,
                          .on_lapse = OnLapse::kUnknown,
                          .claim_id = "other id",
                          .holder = "other holder"};
ClaimCommand Claim(const char* fingerprint, const char* claim_id) {
  ClaimCommand claim = kClaim;
  claim.fingerprint = fingerprint;
  claim.claim_id = claim_id;
  return claim;
}

constexpr Cell kStale{Outcome::kStale};
constexpr Cell kConflict{Outcome::kConflict};
constexpr Cell kInFlight{Outcome::kInFlight};
constexpr Cell kReplay{Outcome::kReplay};
constexpr Cell kIsUnknown{Outcome::kUnknown};
constexpr Cell kClaimedAgain{Outcome::kClaimed};
constexpr Cell kFresh{Outcome::kClaimed, Change::kFresh};
constexpr Cell kRetaken{Outcome::kClaimed, Change::kRetaken};
constexpr Cell kTurnsUnknown{Outcome::kUnknown, Change::kUnknown};
constexpr Cell kCompletes{Outcome::kCompleted, Change::kCompleted};
constexpr Cell kStores{Outcome::kCompleted, Change::kStored};
constexpr Cell kReleases{Outcome::kReleased, Change::kReleased};
constexpr Cell kRenews{Outcome::kRenewed, Change::kRenewed};
constexpr Cell kMarks{Outcome::kMarkedUnknown, Change::kUnknown};
constexpr Cell kNotFound{Outcome::kNotFound};
constexpr Cell kRefused{Outcome::kNotResolvable};
constexpr Cell kResolves{Outcome::kResolved, Change::kResolved};
constexpr Cell kDismisses{Outcome::kResolved, Change::kDismissed};
constexpr Cell kForgets{Outcome::kForgotten, Change::kForgotten};

std::vector<Row> Table() {
  // clang-format off
  return {
      // name, command, absent, live, lapsed (retry), lapsed (unknown), completed, unknown
      {"claim", Claim("fp", "other id"),
       kFresh, kInFlight, kRetaken, kTurnsUnknown, kReplay, kIsUnknown},
      {"claim without id", Claim("fp", ""),
       kFresh, kInFlight, kRetaken, kTurnsUnknown, kReplay, kIsUnknown},
      {"claim behind another", Claim("fp", "other id"),
       kFresh, kInFlight, {Outcome::kInFlight, Change::kNudge}, kTurnsUnknown, kReplay, kIsUnknown,
       false},
      {"claim again", Claim("fp", "id"),
       kFresh, kClaimedAgain, kClaimedAgain, kClaimedAgain, kReplay, kIsUnknown},
      {"claim again behind another", Claim("fp", "id"),
       kFresh, kClaimedAgain, kClaimedAgain, kClaimedAgain, kReplay, kIsUnknown, false},
      {"claim, other fingerprint", Claim("other", "other id"),
       kFresh, kConflict, kConflict, kConflict, kConflict, kConflict},
      {"claim, other fingerprint, same id", Claim("other", "id"),
       kFresh, kConflict, kConflict, kConflict, kConflict, kConflict},
      {"claim, no fingerprint", Claim("", "id"),
       kFresh, kConflict, kConflict, kConflict, kConflict, kConflict},
      {"complete", CompleteCommand{.fence = kFence, .result = "result"},
       kStale, kCompletes, kCompletes, kCompletes, {Outcome::kCompleted}, kCompletes},
      {"complete, other result", CompleteCommand{.fence = kFence, .result = "other"},
       kStale, kCompletes, kCompletes, kCompletes, kStale, kCompletes},
      {"complete, no result", CompleteCommand{.fence = kFence},
       kStale, kCompletes, kCompletes, kCompletes, kStale, kCompletes},
      {"complete, own retention",
       CompleteCommand{.fence = kFence, .result = "result", .retention_ms = 321},
       kStale, kCompletes, kCompletes, kCompletes, {Outcome::kCompleted}, kCompletes},
      {"complete, older fence", CompleteCommand{.fence = kFence - 1, .result = "result"},
       kStale, kStale, kStale, kStale, kStale, kStale},
      {"complete, newer fence", CompleteCommand{.fence = kFence + 1, .result = "result"},
       kStale, kStale, kStale, kStale, kStale, kStale},
      {"complete unclaimed",
       CompleteUnclaimedCommand{.fingerprint = "fp", .result = "result", .retention_ms = 900},
       kStores, kInFlight, kInFlight, kInFlight, {Outcome::kCompleted}, kIsUnknown},
      {"complete unclaimed, other result",
       CompleteUnclaimedCommand{.fingerprint = "fp", .result = "other", .retention_ms = 900},
       kStores, kInFlight, kInFlight, kInFlight, kConflict, kIsUnknown},
      {"complete unclaimed, other fingerprint",
       CompleteUnclaimedCommand{.fingerprint = "other", .result = "result", .retention_ms = 900},
       kStores, kConflict, kConflict, kConflict, kConflict, kConflict},
      {"release", ReleaseCommand{.fence = kFence},
       kStale, kReleases, kReleases, kReleases, kStale, kStale},
      {"release, other fence", ReleaseCommand{.fence = kFence + 1},
       kStale, kStale, kStale, kStale, kStale, kStale},
      {"renew", RenewCommand{.fence = kFence, .lease_ms = 400},
       kStale, kRenews, kRenews, kRenews, kStale, kStale},
      {"renew, other fence", RenewCommand{.fence = kFence - 1, .lease_ms = 400},
       kStale, kStale, kStale, kStale, kStale, kStale},
      {"mark unknown", MarkUnknownCommand{.fence = kFence},
       kStale, kMarks, kMarks, kMarks, kStale, {Outcome::kMarkedUnknown}},
      {"mark unknown, other fence", MarkUnknownCommand{.fence = kFence + 1},
       kStale, kStale, kStale, kStale, kStale, kStale},
      {"resolve as completed", ResolveCommand{.completed = true, .result = "decided"},
       kNotFound, kRefused, kResolves, kResolves, kRefused, kResolves},
      {"resolve as released", ResolveCommand{.completed = false},
       kNotFound, kRefused, kDismisses, kDismisses, kRefused, kDismisses},
      {"forget", ForgetCommand{.force = false},
       kNotFound, kInFlight, kForgets, kForgets, kForgets, kForgets},
      {"forget by force", ForgetCommand{.force = true},
       kNotFound, kForgets, kForgets, kForgets, kForgets, kForgets},
  };
  // clang-format on
}

Moment At(int64_t now_ms, bool first_in_line = true) {
  return {.now_ms = now_ms,
          .fresh_fence = kFreshFence,
          .first_in_line = first_in_line,
          .unknown_retention_ms = 444};
}

// How the record must read after the change.
std::optional<Record> Next(const std::optional<Record>& before, const Command& command,
                           Change change, int64_t now_ms) {
  Record next = before.value_or(Record{});
  switch (change) {
    case Change::kSame:
    case Change::kNudge:
      return before;
    case Change::kFresh:
    case Change::kRetaken: {
      const auto& claim = std::get<ClaimCommand>(command);
      return Record{.state = State::kInFlight,
                    .on_lapse = OnLapse::kUnknown,
                    .attempt = change == Change::kFresh ? 1u : 4u,
                    .fence = kFreshFence,
                    .claimed_at_ms = now_ms,
                    .lease_until_ms = now_ms + 700,
                    .retention_ms = 900,
                    .fingerprint = claim.fingerprint,
                    .claim_id = claim.claim_id,
                    .holder = "other holder"};
    }
    case Change::kUnknown:
      next.state = State::kUnknown;
      next.unknown_at_ms = now_ms;
      next.unknown_retention_ms = 444;
      return next;
    case Change::kCompleted: {
      const auto& complete = std::get<CompleteCommand>(command);
      next.state = State::kCompleted;
      next.completed_at_ms = now_ms;
      next.result = complete.result;
      next.retention_ms = complete.retention_ms.value_or(5'000);
      return next;
    }
    case Change::kStored: {
      const auto& complete = std::get<CompleteUnclaimedCommand>(command);
      return Record{.state = State::kCompleted,
                    .attempt = 1,
                    .fence = kFreshFence,
                    .claimed_at_ms = now_ms,
                    .lease_until_ms = now_ms,
                    .retention_ms = 900,
                    .completed_at_ms = now_ms,
                    .fingerprint = complete.fingerprint,
                    .result = complete.result};
    }
    case Change::kRenewed:
      next.lease_until_ms = now_ms + 400;
      return next;
    case Change::kResolved:
      next.state = State::kCompleted;
      next.resolved = true;
      next.completed_at_ms = now_ms;
      next.result = "decided";
      return next;
    case Change::kReleased:
    case Change::kDismissed:
    case Change::kForgotten:
      break;
  }
  return std::nullopt;
}

// The story of the run that ends, if one does.
std::vector<RunEvent> Story(const std::optional<Record>& before, Change change, int64_t now_ms) {
  if (change == Change::kSame || change == Change::kNudge || change == Change::kFresh ||
      change == Change::kRenewed) {
    return {};
  }
  if (change == Change::kStored) {
    return {{EventType::kClaimed, now_ms}, {EventType::kCompleted, now_ms}};
  }
  std::vector<RunEvent> story = {{EventType::kClaimed, 1'000}};
  if (before->state == State::kInFlight && now_ms >= 2'000) {
    story.push_back({EventType::kLapsed, 2'000});
  }
  if (before->state == State::kUnknown) story.push_back({EventType::kMarkedUnknown, 1'300});
  if (before->state == State::kCompleted) story.push_back({EventType::kCompleted, 1'200});
  switch (change) {
    case Change::kRetaken:
      story.push_back({EventType::kRetaken, now_ms});
      break;
    case Change::kUnknown:
      story.push_back({EventType::kMarkedUnknown, now_ms});
      break;
    case Change::kCompleted:
      story.push_back({EventType::kCompleted, now_ms});
      break;
    case Change::kReleased:
      story.push_back({EventType::kReleased, now_ms});
      break;
    case Change::kResolved:
    case Change::kDismissed:
      story.push_back({EventType::kResolved, now_ms});
      break;
    case Change::kForgotten:
      story.push_back({EventType::kForgotten, now_ms});
      break;
    default:
      ADD_FAILURE() << "a change without a story";
  }
  return story;
}

Wake WakeAfter(Change change) {
  switch (change) {
    case Change::kSame:
    case Change::kFresh:
    case Change::kRetaken:
    case Change::kRenewed:
      return Wake::kNobody;
    case Change::kNudge:
      return Wake::kOldest;
    case Change::kReleased:
      return Wake::kFreed;
    default:
      return Wake::kAll;
  }
}

void CheckCell(const Row& row, const char* column, const std::optional<Record>& before,
               const Cell& cell, int64_t now_ms, bool dead = false) {
  SCOPED_TRACE(std::string(row.name) + " on " + column);
  const Decision decision = Decide(before, row.command, At(now_ms, row.first_in_line));
  const std::optional<Record> counts = dead ? std::nullopt : before;
  EXPECT_EQ(decision.outcome, cell.outcome);
  EXPECT_EQ(decision.wake, WakeAfter(cell.change));

  const std::optional<Record> next = Next(counts, row.command, cell.change, now_ms);
  const bool changes = cell.change != Change::kSame && cell.change != Change::kNudge;
  if (!changes) {
    EXPECT_EQ(decision.write, Write::kNothing);
    EXPECT_TRUE(decision.record == next) << "shows what there was";
  } else if (next.has_value()) {
    EXPECT_EQ(decision.write, Write::kPut);
    EXPECT_TRUE(decision.record == next) << "the next record differs";
  } else {
    EXPECT_EQ(decision.write, Write::kErase);
  }

  const std::vector<RunEvent> story = Story(counts, cell.change, now_ms);
  ASSERT_EQ(decision.ended.size(), story.empty() ? 0u : 1u);
  if (story.empty()) return;
  const Run& ended = decision.ended[0];
  EXPECT_EQ(ended.events, story);
  EXPECT_EQ(ended.fence, cell.change == Change::kStored ? kFreshFence : kFence);
  EXPECT_EQ(ended.attempt, cell.change == Change::kStored ? 1u : 3u);
  EXPECT_EQ(ended.holder, cell.change == Change::kStored ? "" : "holder");
}

TEST(Decide, AnswersAsTheTableSays) {
  for (const Row& row : Table()) {
    CheckCell(row, "absent", std::nullopt, row.absent, kNowLive);
    CheckCell(row, "live", InFlight(), row.live, kNowLive);
    CheckCell(row, "live, on_lapse unknown", InFlight(OnLapse::kUnknown), row.live, kNowLive);
    CheckCell(row, "lapsed", InFlight(), row.lapsed_retry, kNowLapsed);
    CheckCell(row, "lapsed, on_lapse unknown", InFlight(OnLapse::kUnknown), row.lapsed_unknown,
              kNowLapsed);
    CheckCell(row, "completed", Completed(), row.completed, kNowLapsed);
    CheckCell(row, "unknown", Unknown(), row.unknown, kNowLapsed);
    CheckCell(row, "unknown, mortal", Unknown(5'000), row.unknown, kNowLapsed);
  }
}

TEST(Decide, TreatsTheDeadAsAbsent) {
  for (const Row& row : Table()) {
    CheckCell(row, "dead in flight", InFlight(), row.absent, 7'000, true);
    CheckCell(row, "dead in flight, on_lapse unknown", InFlight(OnLapse::kUnknown), row.absent,
              7'000, true);
    CheckCell(row, "dead completed", Completed(), row.absent, 6'200, true);
    CheckCell(row, "dead unknown", Unknown(5'000), row.absent, 6'300, true);
  }
}

TEST(Decide, StillKnowsThemAMillisecondBeforeTheirDeath) {
  for (const Row& row : Table()) {
    CheckCell(row, "in flight", InFlight(), row.lapsed_retry, 6'999);
    CheckCell(row, "completed", Completed(), row.completed, 6'199);
    CheckCell(row, "unknown", Unknown(5'000), row.unknown, 6'299);
  }
}

TEST(Decide, LapsesTheLeaseAtItsEndAndNotBefore) {
  for (const Row& row : Table()) {
    CheckCell(row, "a millisecond before", InFlight(), row.live, 1'999);
    CheckCell(row, "at the end", InFlight(), row.lapsed_retry, 2'000);
    CheckCell(row, "at the end, unknown", InFlight(OnLapse::kUnknown), row.lapsed_unknown, 2'000);
  }
}

TEST(Decide, NeverForgetsAnUnknownRunByItself) {
  const Decision decision = Decide(Unknown(), kClaim, At(kNeverMs - 1));
  EXPECT_EQ(decision.outcome, Outcome::kUnknown);
}

TEST(Decide, LetsEachRunChooseItsOwnLapse) {
  ClaimCommand asks_for_retry = kClaim;
  asks_for_retry.on_lapse = OnLapse::kRetry;
  EXPECT_EQ(Decide(InFlight(OnLapse::kUnknown), asks_for_retry, At(kNowLapsed)).outcome,
            Outcome::kUnknown);
  ClaimCommand asks_for_unknown = kClaim;
  asks_for_unknown.on_lapse = OnLapse::kUnknown;
  EXPECT_EQ(Decide(InFlight(OnLapse::kRetry), asks_for_unknown, At(kNowLapsed)).outcome,
            Outcome::kClaimed);
}

TEST(Decide, TakesNoClaimIdForNoRetry) {
  Record anonymous = InFlight();
  anonymous.claim_id = "";
  EXPECT_EQ(Decide(anonymous, Claim("fp", ""), At(kNowLive)).outcome, Outcome::kInFlight);
}

TEST(Decide, KeepsARunLocalForAsLongAsItIsInFlight) {
  ClaimCommand claim = kClaim;
  claim.on_lapse = OnLapse::kUnknown;
  claim.local = true;
  Moment moment = At(kNowLive);
  moment.unknown_retention_ms = 700;
  const std::optional<Record> claimed = Decide(std::nullopt, claim, moment).record;
  EXPECT_TRUE(claimed->local);
  EXPECT_EQ(claimed->DeadAtMs(), claimed->lease_until_ms + 700);
  const uint64_t fence = claimed->fence;
  EXPECT_TRUE(Decide(claimed, RenewCommand{.fence = fence, .lease_ms = 1}, moment).record->local);
  EXPECT_FALSE(Decide(claimed, CompleteCommand{.fence = fence}, moment).record->local);
  EXPECT_FALSE(Decide(claimed, MarkUnknownCommand{.fence = fence}, moment).record->local);
  moment.now_ms = claimed->lease_until_ms;
  EXPECT_FALSE(Decide(claimed, ResolveCommand{.completed = true}, moment).record->local);
  claim.claim_id = "another";
  const Decision lapsed = Decide(claimed, claim, moment);
  EXPECT_EQ(lapsed.outcome, Outcome::kUnknown);
  EXPECT_FALSE(lapsed.record->local);
}

TEST(Decide, TellsTheWholeStoryOfALongRun) {
  Record record = InFlight(OnLapse::kUnknown);
  const Decision lapsed = Decide(record, kClaim, At(2'500));
  const Decision resolved = Decide(lapsed.record, ResolveCommand{.completed = true}, At(2'700));
  ASSERT_EQ(resolved.ended.size(), 1u);
  const std::vector<RunEvent> story = {{EventType::kClaimed, 1'000},
                                       {EventType::kLapsed, 2'000},
                                       {EventType::kMarkedUnknown, 2'500},
                                       {EventType::kResolved, 2'700}};
  EXPECT_EQ(resolved.ended[0].events, story);
}

}  // namespace
}  // namespace onced

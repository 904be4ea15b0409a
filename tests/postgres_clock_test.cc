// SPDX-License-Identifier: MIT
// The clock of a store on PostgreSQL: what is certain of the database's time, and that nothing is
// written by a time that the database does not agree with.
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "engine/database_time.h"
#include "engine/ledger.h"
#include "engine/postgres_statements.h"
#include "tests/postgres_cluster.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

// Stamps as of a database whose clock stands at `base` when this test begins.
struct Stamps {
  void LearnAt(milliseconds asked, milliseconds stamped, milliseconds came, int64_t base) {
    time.Learn(base + stamped.count(), start + asked, start + came);
  }
  // What is certain of it now, as if it were `at`.
  int64_t Now() { return time.NowMs(); }

  DatabaseTime time;
  DatabaseTime::Here start = std::chrono::steady_clock::now();
};

TEST(DatabaseTime, IsNeverAheadOfTheDatabase) {
  Stamps here;
  constexpr int64_t kBase = 1'800'000'000'000;
  // Answers that travel for 0 to 90 ms, of questions that were asked at all kinds of times.
  for (int i = 0; i < 1'000; ++i) {
    const milliseconds asked(-2'000 + i), stamped(asked + milliseconds(i * 7 % 50));
    here.LearnAt(asked, stamped, stamped + milliseconds(i * 13 % 40), kBase);
    const int64_t now =
        kBase +
        std::chrono::floor<milliseconds>(std::chrono::steady_clock::now() - here.start).count();
    EXPECT_LE(here.Now(), now + 1) << "the part of a millisecond that passed in between";
  }
  const int64_t now =
      kBase +
      std::chrono::floor<milliseconds>(std::chrono::steady_clock::now() - here.start).count();
  EXPECT_GT(here.Now(), now - 200) << "and not far behind it";
}

TEST(DatabaseTime, BelievesAClockThatWasSetBack) {
  Stamps here;
  here.LearnAt(milliseconds(-500), milliseconds(-450), milliseconds(-400), 1'800'000'000'000);
  here.LearnAt(milliseconds(-300), milliseconds(-250), milliseconds(-200), 1'700'000'000'000);
  EXPECT_LT(here.Now(), 1'700'000'100'000);
  EXPECT_GE(here.Now(), 1'700'000'000'000 - 250);
}

TEST(DatabaseTime, IsNotPutBackByAnAnswerThatTookLong) {
  Stamps here;
  constexpr int64_t kBase = 1'800'000'000'000;
  here.LearnAt(milliseconds(-100), milliseconds(-90), milliseconds(-80), kBase);
  const int64_t before = here.Now();
  here.LearnAt(milliseconds(-3'000), milliseconds(-2'900), milliseconds(-10), kBase);
  EXPECT_GE(here.Now(), before);
}

TEST(DatabaseLeaps, AreNoticedForTwelveHours) {
  using Here = DatabaseTime::Here;
  constexpr int64_t kBase = 1'800'000'000'000, kHalfAnHour = 30 * kMinuteMs;
  const auto at = [](int64_t ms) { return Here(milliseconds(ms)); };
  DatabaseLeaps leaps;
  leaps.Look(kBase, at(0), at(10));
  EXPECT_FALSE(leaps.InDoubt(at(10)));
  // However long nobody looks, and however long an answer takes.
  leaps.Look(kBase + kDayMs, at(kDayMs - 5), at(kDayMs + 5'000));
  EXPECT_FALSE(leaps.InDoubt(at(kDayMs + 5'000)));
  // Set back, and a little ahead.
  leaps.Look(kBase, at(kDayMs + 6'000), at(kDayMs + 6'010));
  leaps.Look(kBase + kHalfAnHour, at(kDayMs + 6'020), at(kDayMs + 6'030));
  EXPECT_FALSE(leaps.InDoubt(at(kDayMs + 6'030)));
  const int64_t leapt = kDayMs + 7'000;
  leaps.Look(kBase + 2 * kHalfAnHour + kMinuteMs, at(leapt - 10), at(leapt));
  EXPECT_TRUE(leaps.InDoubt(at(leapt)));
  EXPECT_TRUE(leaps.InDoubt(at(leapt + 12 * kHourMs - 1)));
  EXPECT_FALSE(leaps.InDoubt(at(leapt + 12 * kHourMs)));
}

TEST(DatabaseLeaps, KeepTheSweeperFromWhatMayBeAlive) {
  const PostgresFolder folder;
  ManualClock clock;
  const auto store = folder.Open([&](PostgresStoreOptions& o) {
    o.clock = &clock;
    o.sweep_pause = milliseconds(1);
  });
  Ledger ledger(store.get());
  const auto complete = [&](const std::string& key) {
    const CompleteUnclaimedCommand done{.fingerprint = "fp", .retention_ms = kDayMs};
    EXPECT_EQ(Value(ledger.CompleteUnclaimed(K(key), done)).outcome, Outcome::kCompleted);
  };
  const auto rows = [&] { return folder.Sql("SELECT 'x' FROM onced_records").size(); };
  complete("swept");
  folder.Sql("UPDATE onced_records SET dead_at_ms = 0");
  EXPECT_TRUE(Eventually([&] { return rows() == 0; }));
  EXPECT_FALSE(store->clock_in_doubt());

  complete("alive");
  clock.Advance(3 * kDayMs);
  EXPECT_TRUE(Eventually([&] { return store->clock_in_doubt(); }));
  EXPECT_FALSE(Value(ledger.Find(K("alive"))).record.has_value()) << "answers go by the clock";
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(
      Eventually([&] { return std::chrono::steady_clock::now() - begun > milliseconds(200); }));
  EXPECT_EQ(rows(), 1u);
  clock.Advance(-3 * kDayMs);
  EXPECT_EQ(Value(ledger.Find(K("alive"))).record->state, State::kCompleted);
}

// One conditional write on an empty key: whether it landed.
bool Lands(const PostgresFolder& folder, const std::string& key, int64_t now_off_ms) {
  const auto connection = Value(PostgresConnection::Open(folder.url(), {}));
  const PostgresCall read{&statements::kReadClock, {std::monostate()}};
  const PostgresAnswer clock = connection->Run({&read, 1});
  const int64_t now_ms = clock.rows.at(0).Integer(0, statements::kNow);
  const PostgresCall put{
      &statements::kPutWhereAbsent,
      {std::string_view(key), int64_t{1}, std::monostate(), kNeverMs, std::string_view("record"),
       now_ms + now_off_ms, int64_t{1'000}, std::monostate()}};
  const PostgresAnswer answer = connection->Run({&put, 1});
  EXPECT_TRUE(answer.ok());
  return answer.ok() && !answer.rows[0].empty();
}

TEST(DatabaseClock, AgreesOrNothingIsWritten) {
  const PostgresFolder folder;
  EXPECT_FALSE(Lands(folder, "ahead", 60'000));
  EXPECT_FALSE(Lands(folder, "long-ago", -60'000));
  EXPECT_TRUE(Lands(folder, "now", 0));
  EXPECT_FALSE(Lands(folder, "now", 0)) << "it lives";
}

// Two stores at one key for real time: who takes it over finds that the database's clock has passed
// the lease that the first one was told of.
TEST(DatabaseClock, FreesNoLeaseEarly) {
  PostgresFolder folder;
  const auto a_store = folder.Open(), b_store = folder.Open();
  Ledger a(a_store.get()), b(b_store.get());
  for (int i = 0; i < 5; ++i) {
    const Key key = K("k" + std::to_string(i));
    ClaimCommand brief = AClaim();
    brief.lease_ms = 150;
    const auto begun = std::chrono::steady_clock::now();
    const Reply first = Value(a.Claim(key, brief));
    ASSERT_EQ(first.outcome, Outcome::kClaimed);
    Reply second = Value(b.Claim(key, brief));
    while (second.outcome == Outcome::kInFlight) second = Value(b.Claim(key, brief));
    const auto passed = std::chrono::steady_clock::now() - begun;
    ASSERT_EQ(second.outcome, Outcome::kClaimed);
    EXPECT_EQ(second.record->attempt, 2u);
    EXPECT_GE(second.record->claimed_at_ms, first.record->lease_until_ms);
    // The lease counts from a bound that is behind by a round trip of a store that was just used.
    EXPECT_GT(std::chrono::duration_cast<milliseconds>(passed).count(), 50);
    EXPECT_EQ(Value(a.Complete(key, {.fence = first.record->fence})).outcome, Outcome::kStale);
  }
}

}  // namespace
}  // namespace onced

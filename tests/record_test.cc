// SPDX-License-Identifier: MIT
// Records and runs on disk: what is written is what is read, damage never becomes another record,
// and the time of death stands where the TTL filter looks for it.
#include "engine/record.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/run.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::string Bytes(size_t most) {
    std::string out(Below(most + 1), '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }
  int64_t Time() { return static_cast<int64_t>(Below(uint64_t{1} << Below(63))); }

 private:
  std::mt19937_64 random_;
};

Record AnyRecord(Dice& dice) {
  Record record{.state = static_cast<State>(1 + dice.Below(3)),
                .on_lapse = static_cast<OnLapse>(dice.Below(2)),
                .resolved = dice.Below(2) == 1,
                .attempt = static_cast<uint32_t>(dice.Below(UINT32_MAX)),
                .fence = 1 + dice.Below(UINT64_MAX - 1),
                .claimed_at_ms = dice.Time(),
                .lease_until_ms = dice.Time(),
                .retention_ms = dice.Time(),
                .unknown_retention_ms = dice.Below(2) == 0 ? 0 : dice.Time(),
                .unknown_at_ms = dice.Time(),
                .completed_at_ms = dice.Time(),
                .fingerprint = dice.Bytes(128),
                .claim_id = dice.Bytes(64),
                .holder = dice.Bytes(128)};
  record.local = record.state == State::kInFlight && record.on_lapse == OnLapse::kUnknown &&
                 dice.Below(2) == 1;
  if (dice.Below(3) > 0) record.result = dice.Bytes(300);
  return record;
}

Run AnyRun(Dice& dice) {
  Run run{.fence = dice.Below(UINT64_MAX),
          .attempt = static_cast<uint32_t>(dice.Below(UINT32_MAX)),
          .holder = dice.Bytes(128)};
  for (uint64_t i = dice.Below(6); i > 0; --i) {
    run.events.push_back({static_cast<EventType>(1 + dice.Below(8)), dice.Time()});
  }
  return run;
}

std::string Trace(uint64_t seed) { return "ONCED_SEED=" + std::to_string(seed); }

TEST(Record, ReadsAsItWasWritten) {
  const uint64_t seed = Seed(1);
  SCOPED_TRACE(Trace(seed));
  Dice dice(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Record record = AnyRecord(dice);
    ASSERT_TRUE(Value(Record::Decode(record.Encode())) == record);
  }
}

TEST(Record, TellsAnEmptyResultFromNone) {
  Record record{.fence = 1};
  EXPECT_FALSE(Value(Record::Decode(record.Encode())).result.has_value());
  record.result = "";
  EXPECT_EQ(Value(Record::Decode(record.Encode())).result, "");
}

// The filter reads eight bytes at this offset without decoding: FORMAT.md promises the place.
TEST(Record, CarriesItsDeathAtByteFour) {
  const uint64_t seed = Seed(2);
  SCOPED_TRACE(Trace(seed));
  Dice dice(seed);
  static_assert(kDeadAtOffset == 4);
  for (int i = 0; i < 1'000; ++i) {
    const Record record = AnyRecord(dice);
    const std::string bytes = record.Encode();
    int64_t at_four = 0;
    std::memcpy(&at_four, bytes.data() + 4, sizeof at_four);
    ASSERT_EQ(at_four, record.DeadAtMs());
    ASSERT_EQ(StoredDeadAtMs(bytes), record.DeadAtMs());
  }
}

TEST(Record, DiesByItsState) {
  Record record{.fence = 1,
                .lease_until_ms = 2'000,
                .retention_ms = 500,
                .unknown_at_ms = 3'000,
                .completed_at_ms = 4'000};
  EXPECT_EQ(record.DeadAtMs(), 2'500) << "in flight: the lease, then the retention";
  record.state = State::kCompleted;
  EXPECT_EQ(record.DeadAtMs(), 4'500);
  record.state = State::kUnknown;
  EXPECT_EQ(record.DeadAtMs(), kNeverMs);
  record.unknown_retention_ms = 700;
  EXPECT_EQ(record.DeadAtMs(), 3'700);
}

// Its process may be gone, and then it is unknown: the filter, which cannot know, must not be the
// first to think it dead.
TEST(Record, OfALocalRunOutlivesItsLeaseAsUnknownOnesDo) {
  Record record{.on_lapse = OnLapse::kUnknown,
                .local = true,
                .fence = 1,
                .lease_until_ms = 2'000,
                .retention_ms = 500};
  EXPECT_EQ(record.DeadAtMs(), kNeverMs);
  EXPECT_EQ(StoredDeadAtMs(record.Encode()), kNeverMs);
  record.unknown_retention_ms = 700;
  EXPECT_EQ(record.DeadAtMs(), 2'700);
  EXPECT_EQ(StoredDeadAtMs(record.Encode()), 2'700);
}

TEST(Record, IsLocalOnlyInFlightAndUnknownOnLapse) {
  constexpr int kLocal = 16;
  const Record in_flight{.on_lapse = OnLapse::kUnknown, .fence = 1};
  for (const State state : {State::kInFlight, State::kCompleted, State::kUnknown}) {
    for (const OnLapse on_lapse : {OnLapse::kRetry, OnLapse::kUnknown}) {
      Record record = in_flight;
      record.state = state;
      record.on_lapse = on_lapse;
      std::string bytes = record.Encode();
      bytes[2] = static_cast<char>(bytes[2] | kLocal);
      std::memcpy(bytes.data() + kDeadAtOffset, &kNeverMs, sizeof kNeverMs);
      EXPECT_EQ(Record::Decode(bytes).ok(),
                state == State::kInFlight && on_lapse == OnLapse::kUnknown);
    }
  }
}

// What a folder of the release before holds has no such flag.
TEST(Record, WrittenBeforeThereWereLocalRunsIsNotLocal) {
  const Record record{.on_lapse = OnLapse::kUnknown, .fence = 1};
  const std::string bytes = record.Encode();
  EXPECT_EQ(bytes[2], 1);
  EXPECT_FALSE(Value(Record::Decode(bytes)).local);
}

TEST(Record, DiesAtItsTimeAndNotBefore) {
  EXPECT_FALSE(IsDead(2'500, 2'499));
  EXPECT_TRUE(IsDead(2'500, 2'500));
  EXPECT_FALSE(IsDead(kNeverMs, kNeverMs - 1));
}

TEST(Record, DoesNotOverflowIntoAnEarlyDeath) {
  const Record record{.fence = 1, .lease_until_ms = kNeverMs - 1, .retention_ms = kNeverMs};
  EXPECT_EQ(record.DeadAtMs(), kNeverMs);
}

// A byte changed anywhere: refused, or read as a record that would be written just so.
TEST(Record, NeverReadsDamageAsSomethingElse) {
  const uint64_t seed = Seed(3);
  SCOPED_TRACE(Trace(seed));
  Dice dice(seed);
  for (int i = 0; i < 300; ++i) {
    const std::string good = AnyRecord(dice).Encode();
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + dice.Below(255)));
      const Result<Record> record = Record::Decode(bytes);
      if (!record.ok()) continue;
      ASSERT_TRUE(record->Encode() == bytes) << "byte " << at << " is not heeded";
    }
  }
}

TEST(Record, IsRefusedWhenCutShort) {
  Record record{.fence = 1, .fingerprint = "fp", .claim_id = "id", .holder = "holder"};
  const std::string bytes = record.Encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(FaultOf(Record::Decode(bytes.substr(0, size))), Fault::kCorruption) << size;
  }
  EXPECT_EQ(FaultOf(Record::Decode(bytes + "x")), Fault::kCorruption) << "bytes without a result";
}

TEST(Record, SurvivesAnyBytes) {
  const uint64_t seed = Seed(4);
  SCOPED_TRACE(Trace(seed));
  Dice dice(seed);
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = dice.Bytes(120);
    if (!bytes.empty() && dice.Below(4) > 0) bytes[0] = 1;
    (void)StoredDeadAtMs(bytes);
    const Result<Record> record = Record::Decode(bytes);
    if (!record.ok()) continue;
    ASSERT_TRUE(record->Encode() == bytes);
  }
}

TEST(Record, OfANewerVersionIsKeptAndNotRead) {
  std::string bytes = Record{.fence = 1}.Encode();
  ASSERT_TRUE(StoredDeadAtMs(bytes).has_value());
  bytes[0] = 2;
  EXPECT_FALSE(StoredDeadAtMs(bytes).has_value()) << "nobody knows when it dies: keep it";
  EXPECT_EQ(FaultOf(Record::Decode(bytes)), Fault::kCorruption);
  EXPECT_FALSE(StoredDeadAtMs("").has_value());
  EXPECT_FALSE(StoredDeadAtMs(bytes.substr(0, 11)).has_value());
}

TEST(Record, WithAFlagOfTheFutureIsRefused) {
  for (const int bit : {3, 5, 6, 7}) {
    std::string bytes = Record{.fence = 1}.Encode();
    bytes[2] = static_cast<char>(bytes[2] | (1 << bit));
    EXPECT_EQ(FaultOf(Record::Decode(bytes)), Fault::kCorruption) << bit;
  }
}

TEST(Run, ReadsAsItWasWritten) {
  const uint64_t seed = Seed(5);
  SCOPED_TRACE(Trace(seed));
  Dice dice(seed);
  for (int i = 0; i < 20'000; ++i) {
    const onced::Run run = AnyRun(dice);
    const int64_t dead_at_ms = dice.Time();
    const std::string bytes = run.Encode(dead_at_ms);
    ASSERT_EQ(Value(onced::Run::Decode(bytes, run.fence)), run);
    ASSERT_EQ(StoredDeadAtMs(bytes), dead_at_ms);
  }
}

TEST(Run, NeverReadsDamageAsSomethingElse) {
  const uint64_t seed = Seed(6);
  SCOPED_TRACE(Trace(seed));
  Dice dice(seed);
  for (int i = 0; i < 1'000; ++i) {
    const std::string good = AnyRun(dice).Encode(dice.Time());
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + dice.Below(255)));
      const Result<onced::Run> run = onced::Run::Decode(bytes, 1);
      if (!run.ok()) continue;
      ASSERT_TRUE(run->Encode(*StoredDeadAtMs(bytes)) == bytes)
          << "byte " << at << " is not heeded";
    }
  }
}

TEST(Run, IsNeverReadAsARecordNorTheOtherWayRound) {
  Dice dice(Seed(7));
  for (int i = 0; i < 1'000; ++i) {
    const onced::Run run = AnyRun(dice);
    ASSERT_FALSE(Record::Decode(run.Encode(1)).ok());
    ASSERT_FALSE(onced::Run::Decode(AnyRecord(dice).Encode(), 1).ok());
  }
}

TEST(Run, IsReadOffAnOpenRecord) {
  const Record record{
      .attempt = 2, .fence = 5, .claimed_at_ms = 1'000, .lease_until_ms = 2'000, .holder = "me"};
  const onced::Run live = onced::Run::Of(record, 1'999);
  EXPECT_EQ(live.events, (std::vector<RunEvent>{{EventType::kClaimed, 1'000}}));
  EXPECT_EQ(live.fence, 5u);
  EXPECT_EQ(live.attempt, 2u);
  EXPECT_EQ(live.holder, "me");
  const std::vector<RunEvent> lapsed = {{EventType::kClaimed, 1'000}, {EventType::kLapsed, 2'000}};
  EXPECT_EQ(onced::Run::Of(record, 2'000).events, lapsed);
}

}  // namespace
}  // namespace onced

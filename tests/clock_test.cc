// SPDX-License-Identifier: MIT
// The guarded clock under a machine whose clocks the test sets: wall-clock steps do not move it, a
// restart continues it, and a wall that cannot be believed is not.
#include "engine/clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

constexpr int64_t kNoonMs = 1'767'225'600'000;

// A machine: its clocks tick together unless the wall is stepped.
struct Machine {
  std::atomic<int64_t> boottime_ms{kHourMs};
  std::atomic<int64_t> wall_ms{kNoonMs};
  std::atomic<bool> synchronised{false};
  std::string boot_id = "boot one";

  void Pass(int64_t ms) {
    boottime_ms += ms;
    wall_ms += ms;
  }
};

class MachineClocks : public TimeSource {
 public:
  explicit MachineClocks(const Machine* machine) : machine_(machine) {}
  int64_t BoottimeNs() override { return machine_->boottime_ms * 1'000'000; }
  int64_t WallNs() override { return machine_->wall_ms * 1'000'000; }
  bool WallSynchronised() override { return machine_->synchronised; }
  std::string BootId() override { return machine_->boot_id; }

 private:
  const Machine* const machine_;
};

std::unique_ptr<GuardedClock> StartClock(const Machine& machine,
                                         const std::optional<ClockAnchor>& saved = std::nullopt) {
  return std::make_unique<GuardedClock>(std::make_unique<MachineClocks>(&machine), saved);
}

// The same machine a boot later, up for a minute, with the wall as given.
struct Rebooted : Machine {
  explicit Rebooted(int64_t wall) {
    boottime_ms = kMinuteMs;
    wall_ms = wall;
    boot_id = "boot two";
  }
};

ClockAnchor SavedAtNoon() {
  return {.boot_id = "boot one", .boottime_ms = kHourMs, .now_ms = kNoonMs};
}

TEST(Clock, BelievesTheWallOnTheFirstStart) {
  Machine machine;
  const auto clock = StartClock(machine);
  EXPECT_EQ(clock->NowMs(), kNoonMs);
  machine.Pass(1'234);
  EXPECT_EQ(clock->NowMs(), kNoonMs + 1'234);
  EXPECT_FALSE(clock->InDoubt());
}

// A box without a battery wakes in 1970. With nothing saved to hold that against, it was believed;
// and when the time server answered, every lease and every result was fifty years dead.
TEST(Clock, DoesNotBelieveAWallThatWasNeverSet) {
  for (const int64_t wall_ms : {int64_t{0}, GuardedClock::kWrittenMs - 1}) {
    Rebooted machine(wall_ms);
    const auto clock = StartClock(machine);
    EXPECT_TRUE(clock->InDoubt());
    EXPECT_EQ(clock->NowMs(), GuardedClock::kWrittenMs + kMinuteMs) << "floor + uptime";
    machine.wall_ms = kNoonMs + 300 * kDayMs;
    machine.synchronised = true;
    clock->Discipline();
    EXPECT_FALSE(clock->InDoubt());
    EXPECT_EQ(clock->NowMs(), machine.wall_ms);
  }
}

TEST(Clock, IsNotMovedByAStepOfTheWall) {
  for (const int64_t step_ms : {kHourMs, -kHourMs, 2 * kDayMs, -2 * kDayMs}) {
    SCOPED_TRACE(step_ms);
    Machine machine;
    const auto clock = StartClock(machine);
    machine.wall_ms += step_ms;
    clock->Discipline();
    EXPECT_EQ(clock->NowMs(), kNoonMs);
  }
}

// 500 ppm of 1,000 s are half a second, however far away the wall is.
TEST(Clock, SlewsTowardTheWallByFiveHundredPartsInAMillion) {
  for (const int64_t step_ms : {kHourMs, -kHourMs}) {
    SCOPED_TRACE(step_ms);
    Machine machine;
    const auto clock = StartClock(machine);
    machine.wall_ms += step_ms;
    for (int i = 0; i < 10'000; ++i) {
      machine.Pass(100);
      clock->Discipline();
    }
    const int64_t slewed_ms = clock->NowMs() - (kNoonMs + 1'000'000);
    EXPECT_LE(std::abs(slewed_ms), 500);
    EXPECT_GE(std::abs(slewed_ms), 499) << "it does slew";
    EXPECT_EQ(slewed_ms > 0, step_ms > 0);
  }
}

TEST(Clock, SlewsNoFurtherThanTheWall) {
  Machine machine;
  const auto clock = StartClock(machine);
  machine.wall_ms += 3;
  for (int i = 0; i < 1'000; ++i) {
    machine.Pass(100);
    clock->Discipline();
  }
  EXPECT_EQ(clock->NowMs(), machine.wall_ms);
}

TEST(Clock, SlewsNoFasterAfterALongPauseOfItsKeeper) {
  Machine machine;
  const auto clock = StartClock(machine);
  machine.wall_ms += kHourMs;
  machine.Pass(10'000);
  clock->Discipline();
  EXPECT_LE(clock->NowMs(), kNoonMs + 10'000 + 5);
}

TEST(Clock, NeverGoesBackwards) {
  Machine machine;
  const auto clock = StartClock(machine);
  const uint64_t seed = Seed(1);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  int64_t last_ms = clock->NowMs();
  for (int i = 0; i < 100'000; ++i) {
    if (random() % 100 == 0) {
      machine.wall_ms += static_cast<int64_t>(random() % (2 * kHourMs)) - kHourMs;
    }
    machine.Pass(static_cast<int64_t>(random() % 3));
    clock->Discipline();
    const int64_t now_ms = clock->NowMs();
    ASSERT_GE(now_ms, last_ms);
    last_ms = now_ms;
  }
}

// One thread reads a time and tells it; nobody who hears it may then read an earlier one.
TEST(Clock, NeverGoesBackwardsFromOneThreadToTheNext) {
  Machine machine;
  const auto clock = StartClock(machine);
  std::atomic<int64_t> told_ms{0};
  std::atomic<bool> stop{false};
  std::atomic<int> backwards{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 6; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        int64_t heard_ms = told_ms.load();
        const int64_t now_ms = clock->NowMs();
        if (now_ms < heard_ms) ++backwards;
        while (heard_ms < now_ms && !told_ms.compare_exchange_weak(heard_ms, now_ms)) {
        }
      }
    });
  }
  for (int i = 0; i < 30'000; ++i) {
    if (i % 50 == 0) machine.wall_ms += (i % 100 == 0 ? -1 : 1) * kHourMs;
    machine.Pass(i % 2);
    clock->Discipline();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(backwards, 0);
}

TEST(Clock, ContinuesOverARestartOnTheSameBoot) {
  for (const int64_t step_ms : {int64_t{0}, 2 * kDayMs, -2 * kDayMs}) {
    SCOPED_TRACE(step_ms);
    Machine machine;
    const auto before = StartClock(machine);
    machine.Pass(5'000);
    const ClockAnchor saved = before->Anchor();
    machine.Pass(7'000);
    machine.wall_ms += step_ms;
    const auto after = StartClock(machine, saved);
    EXPECT_EQ(after->NowMs(), kNoonMs + 12'000);
    EXPECT_FALSE(after->InDoubt());
  }
}

TEST(Clock, BelievesTheWallOfAnotherBootWithinADay) {
  const Rebooted machine(kNoonMs + kDayMs - 1);
  const auto clock = StartClock(machine, SavedAtNoon());
  EXPECT_EQ(clock->NowMs(), kNoonMs + kDayMs - 1);
  EXPECT_FALSE(clock->InDoubt());
}

TEST(Clock, BelievesALeapOfTwoDaysOnlyWhenTheKernelVouches) {
  Rebooted machine(kNoonMs + 2 * kDayMs);
  EXPECT_TRUE(StartClock(machine, SavedAtNoon())->InDoubt());
  EXPECT_EQ(StartClock(machine, SavedAtNoon())->NowMs(), kNoonMs + kMinuteMs) << "floor + uptime";
  machine.synchronised = true;
  EXPECT_FALSE(StartClock(machine, SavedAtNoon())->InDoubt());
  EXPECT_EQ(StartClock(machine, SavedAtNoon())->NowMs(), kNoonMs + 2 * kDayMs);
}

TEST(Clock, NeverBelievesAWallBelowTheFloor) {
  for (const bool synchronised : {false, true}) {
    for (const int64_t behind_ms : {int64_t{1}, 2 * kDayMs}) {
      Rebooted machine(kNoonMs - behind_ms);
      machine.synchronised = synchronised;
      const auto clock = StartClock(machine, SavedAtNoon());
      EXPECT_TRUE(clock->InDoubt()) << behind_ms;
      EXPECT_GE(clock->NowMs(), kNoonMs) << behind_ms;
    }
  }
}

TEST(Clock, TakesAnUnknownBootForAnother) {
  Rebooted machine(kNoonMs + 2 * kDayMs);
  machine.boot_id = "";
  ClockAnchor saved = SavedAtNoon();
  saved.boot_id = "";
  EXPECT_TRUE(StartClock(machine, saved)->InDoubt());
}

TEST(Clock, InDoubtGoesItsOwnPaceWhateverTheWallSays) {
  Rebooted machine(kNoonMs + 2 * kDayMs);
  const auto clock = StartClock(machine, SavedAtNoon());
  const int64_t start_ms = clock->NowMs();
  for (int i = 0; i < 100; ++i) {
    machine.Pass(100);
    clock->Discipline();
  }
  EXPECT_EQ(clock->NowMs(), start_ms + 10'000);
  EXPECT_TRUE(clock->InDoubt());
}

TEST(Clock, EndsItsDoubtWhenTheKernelVouches) {
  Rebooted machine(kNoonMs + 2 * kDayMs);
  const auto clock = StartClock(machine, SavedAtNoon());
  machine.synchronised = true;
  clock->Discipline();
  EXPECT_FALSE(clock->InDoubt());
  EXPECT_EQ(clock->NowMs(), machine.wall_ms);
}

TEST(Clock, StaysInDoubtWhileTheVouchedWallIsBehind) {
  Rebooted machine(kNoonMs - 2 * kDayMs);
  const auto clock = StartClock(machine, SavedAtNoon());
  machine.synchronised = true;
  clock->Discipline();
  EXPECT_TRUE(clock->InDoubt());
  EXPECT_GE(clock->NowMs(), kNoonMs);
}

TEST(Clock, KeepsItsDoubtOverARestartOnTheSameBoot) {
  Rebooted machine(kNoonMs + 2 * kDayMs);
  const auto before = StartClock(machine, SavedAtNoon());
  machine.Pass(1'000);
  const ClockAnchor saved = before->Anchor();
  EXPECT_TRUE(saved.in_doubt);
  const auto after = StartClock(machine, saved);
  EXPECT_TRUE(after->InDoubt());
  EXPECT_EQ(after->NowMs(), before->NowMs());
}

TEST(Clock, OfTheSystemTicks) {
  const std::unique_ptr<TimeSource> source = NewSystemTimeSource();
  const int64_t boottime_ns = source->BoottimeNs();
  EXPECT_GT(boottime_ns, 0);
  EXPECT_GE(source->BoottimeNs(), boottime_ns);
  EXPECT_GT(source->WallNs(), kNoonMs / 1'000 * 1'000'000'000 - 366 * kDayMs * 1'000'000);
  EXPECT_EQ(source->BootId().size(), 36u);
  (void)source->WallSynchronised();
}

}  // namespace
}  // namespace onced

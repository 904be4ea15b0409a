// SPDX-License-Identifier: MIT
#include "tests/fault_plan.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <string_view>

namespace onced {
namespace {

using std::chrono::milliseconds;

constexpr const char* kModes[] = {"sync", "interval", "os"};
// +5000d is beyond 2038-01-19, where seconds no longer fit 32 bits.
constexpr const char* kOffsets[] = {"+1s", "-1s", "+1h", "-1h", "+30d", "-30d", "+5000d", "+0"};
constexpr milliseconds kFreezeLeast{400};  // longer than every lease of the callers
constexpr milliseconds kStart{200};
constexpr milliseconds kClockIsSeen{1'000};  // so often its file is read again

bool Starts(FaultKind fault) {
  return fault == FaultKind::kKill || fault == FaultKind::kZombies || fault == FaultKind::kCut;
}

milliseconds TimeOf(const Planned& planned) {
  if (Starts(planned.fault)) return kStart;
  return planned.fault == FaultKind::kClock ? kClockIsSeen : planned.lasts;
}

}  // namespace

std::vector<Planned> PlanFaults(uint64_t seed, milliseconds time) {
  std::mt19937_64 random(seed);
  std::vector<Planned> plan;
  std::vector<FaultKind> round;
  std::optional<size_t> last_start;
  std::string_view offset = "+0";
  for (milliseconds at{0}; at < time;) {
    if (round.empty()) {
      for (size_t i = 0; i < kFaults; ++i) round.push_back(static_cast<FaultKind>(i));
      std::shuffle(round.begin(), round.end(), random);
    }
    Planned next{.pause = milliseconds(50 + random() % 1'500),
                 .fault = round.back(),
                 .lasts = milliseconds(50 + random() % 600),
                 .mode = kModes[random() % std::size(kModes)],
                 .offset = kOffsets[random() % std::size(kOffsets)]};
    round.pop_back();
    if (next.fault == FaultKind::kFreeze) next.lasts += kFreezeLeast;
    if (next.fault == FaultKind::kCut && last_start.has_value()) plan[*last_start].mode = kModes[0];
    while (next.fault == FaultKind::kClock && next.offset == offset) {
      next.offset = kOffsets[random() % std::size(kOffsets)];
    }
    if (next.fault == FaultKind::kClock) offset = next.offset;
    if (Starts(next.fault)) last_start = plan.size();
    at += next.pause + TimeOf(next);
    plan.push_back(next);
  }
  return plan;
}

std::string Text(const Planned& planned) {
  const std::string after = "after " + std::to_string(planned.pause.count()) + " ms: ";
  switch (planned.fault) {
    case FaultKind::kKill:
      return after + "kill -9, and start in mode " + planned.mode;
    case FaultKind::kFreeze:
      return after + "stop the server for " + std::to_string(planned.lasts.count()) + " ms";
    case FaultKind::kZombies:
      return after + "kill -9, start in mode " + planned.mode + ", and raise zombies";
    case FaultKind::kCut:
      return after + "cut the power, and start in mode " + planned.mode;
    case FaultKind::kFull:
      return after + "fill the disk for " + std::to_string(planned.lasts.count()) + " ms";
    case FaultKind::kClock:
      return after + "set the wall clock, off by " + planned.offset;
  }
  return "";
}

const char* NameOf(FaultKind fault) {
  static constexpr const char* kNames[kFaults] = {"kills",
                                                  "pauses past the lease",
                                                  "owners stopped past theirs",
                                                  "power cuts",
                                                  "full disks",
                                                  "clock jumps"};
  return kNames[static_cast<size_t>(fault)];
}

}  // namespace onced

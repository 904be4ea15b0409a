// SPDX-License-Identifier: MIT
#include "server/operations/tally.h"

#include "server/operations/thread_turn.h"

namespace onced {

std::string_view NameOf(Door door) {
  static constexpr std::array<std::string_view, kDoors> kNames = {"api", "gateway", "redis"};
  return kNames[static_cast<size_t>(door)];
}

std::string_view NameOf(CameTo came_to) {
  static constexpr std::array<std::string_view, kCameTo> kNames = {
      "",         "executed", "retaken",   "replayed", "in_flight",
      "conflict", "unknown",  "completed", "released", "renewed",
      "stale",    "passed",   "other",     "refused",  "failed"};
  return kNames[static_cast<size_t>(came_to)];
}

CameTo CameToOf(Outcome outcome, const std::optional<Record>& record) {
  switch (outcome) {
    case Outcome::kClaimed:
      return record.has_value() && record->attempt > 1 ? CameTo::kRetaken : CameTo::kExecuted;
    case Outcome::kReplay:
      return CameTo::kReplayed;
    case Outcome::kConflict:
      return CameTo::kConflict;
    case Outcome::kInFlight:
      return CameTo::kInFlight;
    case Outcome::kUnknown:
    case Outcome::kMarkedUnknown:
      return CameTo::kUnknown;
    case Outcome::kCompleted:
      return CameTo::kCompleted;
    case Outcome::kReleased:
      return CameTo::kReleased;
    case Outcome::kRenewed:
      return CameTo::kRenewed;
    case Outcome::kStale:
      return CameTo::kStale;
    case Outcome::kNotResolvable:
    case Outcome::kNotFound:
      return CameTo::kRefused;
    case Outcome::kResolved:
    case Outcome::kForgotten:
      return CameTo::kOther;
  }
  return CameTo::kOther;
}

CameTo CameToOfStatus(int status) {
  if (status >= 500) return CameTo::kFailed;
  return status >= 400 ? CameTo::kRefused : CameTo::kOther;
}

Tally::Shard& Tally::Mine() { return shards_[ThreadTurn() % kShards]; }

Tally::Seen Tally::Read() const {
  Seen seen;
  for (const Shard& shard : shards_) {
    for (size_t door = 0; door < kDoors; ++door) {
      for (size_t told = 0; told < kCameTo; ++told) {
        seen.told[door][told] += shard.told[door][told].load(std::memory_order_relaxed);
      }
      for (size_t digit = 0; digit < kStatusClasses; ++digit) {
        seen.statuses[door][digit] += shard.statuses[door][digit].load(std::memory_order_relaxed);
      }
      seen.took[door].Add(shard.took[door].Read());
    }
  }
  return seen;
}

}  // namespace onced

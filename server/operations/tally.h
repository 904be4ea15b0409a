// SPDX-License-Identifier: MIT
// Tally: what the doors have answered, by door and by what it came to, and how long it took. It is
// on the way of every request, so that it is a few additions, on a cache line that threads rarely
// share.
//
// Threads: any. A reader may miss what is being added.
// Invariants: numbers only grow.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/durations.h"
#include "engine/transition.h"

namespace onced {

enum class Door : uint8_t { kApi, kGateway, kRedis };
inline constexpr size_t kDoors = 3;
std::string_view NameOf(Door door);

// What a request came to. The first is for whoever marks none: its status tells.
enum class CameTo : uint8_t {
  kByStatus,
  kExecuted,  // a claim was won, or a forwarded request has run
  kRetaken,   // likewise, from an owner whose lease had lapsed
  kReplayed,
  kInFlight,
  kConflict,
  kUnknown,
  kCompleted,
  kReleased,
  kRenewed,
  kStale,
  kPassed,   // through the gateway, without a key
  kOther,    // reads, administration, commands
  kRefused,  // the request was wrong, or may not
  kFailed,   // the storage, an upstream, or too much at once
};
inline constexpr size_t kCameTo = 15;
std::string_view NameOf(CameTo came_to);
inline constexpr size_t kStatusClasses = 5;  // 1xx .. 5xx

// `record`: as it is after the command, where there is one.
CameTo CameToOf(Outcome outcome, const std::optional<Record>& record);
// What is left unmarked.
CameTo CameToOfStatus(int status);

class Tally {
 public:
  Tally() = default;
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  void Count(Door door, CameTo came_to, uint64_t times = 1) {
    Mine().told[static_cast<size_t>(door)][static_cast<size_t>(came_to)].fetch_add(
        times, std::memory_order_relaxed);
  }
  void Took(Door door, std::chrono::nanoseconds time, uint64_t times = 1) {
    Mine().took[static_cast<size_t>(door)].Add(time, times);
  }
  // An answer over HTTP, by the first digit of its status.
  void Status(Door door, int status) {
    const auto digit = static_cast<size_t>(status / 100);
    if (digit < 1 || digit > kStatusClasses) return;
    Mine().statuses[static_cast<size_t>(door)][digit - 1].fetch_add(1, std::memory_order_relaxed);
  }

  struct Seen {
    std::array<std::array<uint64_t, kCameTo>, kDoors> told{};
    std::array<std::array<uint64_t, kStatusClasses>, kDoors> statuses{};
    std::array<DurationCounts, kDoors> took{};
  };
  Seen Read() const;

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    std::array<std::array<std::atomic<uint64_t>, kCameTo>, kDoors> told{};
    std::array<std::array<std::atomic<uint64_t>, kStatusClasses>, kDoors> statuses{};
    std::array<Durations, kDoors> took{};
  };
  Shard& Mine();

  std::array<Shard, kShards> shards_;
};

}  // namespace onced

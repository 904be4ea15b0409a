// SPDX-License-Identifier: MIT
// SortedSetRange: a stretch of a sorted set, by score or by name, as commands name its two ends:
// "1.5", "(1.5", "-inf"; "[a", "(a", "-", "+".
//
// Threads: values of one command; they point into its arguments.
#pragma once

#include <string_view>

#include "server/redis/collection.h"
#include "server/redis/command.h"

namespace onced::redis {

enum class RangeKind : uint8_t { kRank, kScore, kName };

class SortedSetRange {
 public:
  // false: answered. REQUIRES: `kind` is not kRank.
  bool Expect(Call& call, RangeKind kind, std::string_view low, std::string_view high);

  bool IsAboveLow(const Member& member) const { return !IsCut(low_, member, /*is_low=*/true); }
  bool IsBelowHigh(const Member& member) const { return !IsCut(high_, member, /*is_low=*/false); }
  bool Holds(const Member& member) const { return IsAboveLow(member) && IsBelowHigh(member); }

 private:
  struct End {
    double score = 0;
    std::string_view name;
    int infinite = 0;   // of names: -1 before all, 1 behind all
    bool open = false;  // it is not in the range itself
  };
  static bool ReadScore(std::string_view text, End* end);
  static bool ReadName(std::string_view text, End* end);
  bool IsCut(const End& end, const Member& member, bool is_low) const;

  RangeKind kind_ = RangeKind::kScore;
  End low_;
  End high_;
};

// ZRANGE and its elder kin.
void RunZRange(Call& call);
void RunZRevRange(Call& call);
void RunZRangeByScore(Call& call);
void RunZRevRangeByScore(Call& call);
void RunZRangeByLex(Call& call);
void RunZRevRangeByLex(Call& call);

}  // namespace onced::redis

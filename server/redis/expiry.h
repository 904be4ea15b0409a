// SPDX-License-Identifier: MIT
// Expiry: when a key is to die, as commands say it: in seconds or milliseconds, from now on or
// since 1970.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/redis/command.h"

namespace onced::redis {

enum class TimeWord : uint8_t { kEx, kPx, kExAt, kPxAt };

// EX, PX, EXAT or PXAT, in whatever case.
std::optional<TimeWord> ReadTimeWord(std::string_view word);

// A time of death that is named lies within time: the last millisecond there is stands for never.
constexpr int64_t NotNever(int64_t dead_at_ms) { return std::min(dead_at_ms, kNeverMs - 1); }

// The time of death that `word` and `amount` name, in ms; nullopt, and answered, when it is none
// that lies ahead of 1970 and within 64 bits.
std::optional<int64_t> ExpectDeath(Call& call, TimeWord word, std::string_view amount);

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// Quantity: durations and sizes as people write them, "30s" and "64KiB", in flags and in the
// configuration file.
//
// Threads: pure functions.
// Invariants: a number without its unit is no duration; what is written by DurationText or SizeText
// is read as the same quantity again.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/status.h"

namespace onced {

// A whole number of ms, s, m, h or d. InvalidArgument that names the limits, and no field.
Result<std::chrono::milliseconds> ReadDuration(std::string_view text, int64_t least_ms,
                                               int64_t most_ms);
std::string DurationText(int64_t ms);

// A whole number of bytes, KiB or MiB; likewise.
Result<uint64_t> ReadSize(std::string_view text, uint64_t least, uint64_t most);
std::string SizeText(uint64_t bytes);

}  // namespace onced

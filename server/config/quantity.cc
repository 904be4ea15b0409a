// SPDX-License-Identifier: MIT
#include "server/config/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace onced {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  int64_t ms;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

std::optional<milliseconds> ParseDuration(std::string_view text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(parsed.ptr - text.data()));
  for (const Unit& known : kUnits) {
    if (unit == known.name && number <= INT64_MAX / known.ms) {
      return milliseconds(number * known.ms);
    }
  }
  return std::nullopt;
}

struct SizeUnit {
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<SizeUnit, 3> kSizeUnits = {{{"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}}};

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(parsed.ptr - text.data()));
  for (const SizeUnit& known : kSizeUnits) {
    if (unit == known.name && number <= UINT64_MAX / known.bytes) return number * known.bytes;
  }
  return std::nullopt;
}

}  // namespace

Result<milliseconds> ReadDuration(std::string_view text, int64_t least_ms, int64_t most_ms) {
  const std::optional<milliseconds> parsed = ParseDuration(text);
  if (parsed.has_value() && parsed->count() >= least_ms && parsed->count() <= most_ms) {
    return *parsed;
  }
  return Status::InvalidArgument("must be " + DurationText(least_ms) + ".." +
                                 DurationText(most_ms) + ", such as 30s (ms, s, m, h, d)");
}

std::string DurationText(int64_t ms) {
  const Unit* best = kUnits.data();
  for (const Unit& unit : kUnits) {
    if (ms != 0 && ms % unit.ms == 0) best = &unit;
  }
  return std::to_string(ms / best->ms) + std::string(best->name);
}

Result<uint64_t> ReadSize(std::string_view text, uint64_t least, uint64_t most) {
  const std::optional<uint64_t> parsed = ParseSize(text);
  if (parsed.has_value() && *parsed >= least && *parsed <= most) return *parsed;
  return Status::InvalidArgument("must be " + SizeText(least) + ".." + SizeText(most) +
                                 ", such as " + SizeText(std::max(least, most / 2)));
}

std::string SizeText(uint64_t bytes) {
  const SizeUnit* best = kSizeUnits.data();
  for (const SizeUnit& unit : kSizeUnits) {
    if (bytes != 0 && bytes % unit.bytes == 0) best = &unit;
  }
  return std::to_string(bytes / best->bytes) + std::string(best->name);
}

}  // namespace onced

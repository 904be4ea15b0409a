// SPDX-License-Identifier: MIT
#include "server/redis/expiry.h"

#include <limits>
#include <string>

#include "server/redis/argument.h"
#include "server/redis/interpreter.h"

namespace onced::redis {

std::optional<TimeWord> ReadTimeWord(std::string_view word) {
  if (Is(word, "ex")) return TimeWord::kEx;
  if (Is(word, "px")) return TimeWord::kPx;
  if (Is(word, "exat")) return TimeWord::kExAt;
  if (Is(word, "pxat")) return TimeWord::kPxAt;
  return std::nullopt;
}

std::optional<int64_t> ExpectDeath(Call& call, TimeWord word, std::string_view amount) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  int64_t time = 0;
  if (!ExpectInteger(call, amount, &time)) return std::nullopt;
  const bool seconds = word == TimeWord::kEx || word == TimeWord::kExAt;
  const bool from_now = word == TimeWord::kEx || word == TimeWord::kPx;
  bool valid = time > 0 && !(seconds && time > kMost / 1000);
  if (valid && seconds) time *= 1000;
  valid = valid && !(from_now && time > kMost - call.now_ms());
  if (!valid) {
    call.reply.Error("ERR invalid expire time in '" + call.command.FullName() + "' command");
    return std::nullopt;
  }
  return NotNever(from_now ? time + call.now_ms() : time);
}

}  // namespace onced::redis

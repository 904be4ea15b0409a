// SPDX-License-Identifier: MIT
#include "server/redis/string_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "server/redis/argument.h"
#include "server/redis/interpreter.h"
#include "server/redis/reply.h"

namespace onced::redis {
namespace {

constexpr std::string_view kTooLarge =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

StringValue Judged(Call& call, const Entry* entry) {
  if (entry == nullptr || entry->type == ValueType::kString) return {.entry = entry};
  call.reply.Error(kWrongType);
  return {.entry = nullptr, .refused = true};
}

// Of what a command makes of a string: as much as one may bring.
size_t StringMax(const Call& call) {
  return std::min(kStringMax, static_cast<size_t>(call.redis.options().bulk_max));
}

int64_t DeathOf(const Entry* entry) { return entry == nullptr ? kNeverMs : entry->dead_at_ms; }

void Add(Call& call, int64_t amount) {
  const StringValue value = LoadString(call, call[1]);
  if (value.refused) return;
  int64_t number = 0;
  if (value.entry != nullptr && !ExpectInteger(call, value.entry->bytes, &number)) return;
  if (__builtin_add_overflow(number, amount, &number)) {
    return call.reply.Error("ERR increment or decrement would overflow");
  }
  call.data.Put(call.db(), call[1], ValueType::kString, DeathOf(value.entry),
                std::to_string(number));
  call.reply.Integer(number);
}

}  // namespace

StringValue LoadString(Call& call, std::string_view key) {
  return Judged(call, call.data.Load(call.db(), key));
}

StringValue FindString(Call& call, std::string_view key) {
  return Judged(call, call.data.Find(call.db(), key));
}

void RunAppend(Call& call) {
  const StringValue value = LoadString(call, call[1]);
  if (value.refused) return;
  const std::string_view before = value.entry == nullptr ? "" : value.entry->bytes;
  if (before.size() + call[2].size() > StringMax(call)) return call.reply.Error(kTooLarge);
  std::string all(before);
  all.append(call[2]);
  call.data.Put(call.db(), call[1], ValueType::kString, DeathOf(value.entry), all);
  call.reply.Integer(static_cast<int64_t>(all.size()));
}

void RunSetRange(Call& call) {
  int64_t offset = 0;
  if (!ExpectInteger(call, call[2], &offset)) return;
  if (offset < 0) return call.reply.Error("ERR offset is out of range");
  const StringValue value = LoadString(call, call[1]);
  if (value.refused) return;
  const std::string_view before = value.entry == nullptr ? "" : value.entry->bytes;
  if (call[3].empty()) return call.reply.Integer(static_cast<int64_t>(before.size()));
  if (static_cast<uint64_t>(offset) > StringMax(call) - std::min(StringMax(call), call[3].size())) {
    return call.reply.Error(kTooLarge);
  }
  std::string all(before);
  const auto at = static_cast<size_t>(offset);
  if (all.size() < at + call[3].size()) all.resize(at + call[3].size());
  all.replace(at, call[3].size(), call[3]);
  call.data.Put(call.db(), call[1], ValueType::kString, DeathOf(value.entry), all);
  call.reply.Integer(static_cast<int64_t>(all.size()));
}

void RunGetRange(Call& call) {
  int64_t begin = 0;
  int64_t end = 0;
  if (!ExpectInteger(call, call[2], &begin) || !ExpectInteger(call, call[3], &end)) return;
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  const std::string_view bytes = value.entry == nullptr ? "" : value.entry->bytes;
  const auto size = static_cast<int64_t>(bytes.size());
  if (begin < 0 && end < 0 && begin > end) return call.reply.Bulk("");
  if (begin < 0) begin = std::max<int64_t>(begin + size, 0);
  if (end < 0) end = std::max<int64_t>(end + size, 0);
  end = std::min(end, size - 1);
  if (begin > end || size == 0) return call.reply.Bulk("");
  call.reply.Bulk(bytes.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin + 1)));
}

void RunIncr(Call& call) { Add(call, 1); }
void RunDecr(Call& call) { Add(call, -1); }

void RunIncrBy(Call& call) {
  int64_t amount = 0;
  if (ExpectInteger(call, call[2], &amount)) Add(call, amount);
}

void RunDecrBy(Call& call) {
  int64_t amount = 0;
  if (!ExpectInteger(call, call[2], &amount)) return;
  if (amount == std::numeric_limits<int64_t>::min()) {
    return call.reply.Error("ERR decrement would overflow");
  }
  Add(call, -amount);
}

void RunIncrByFloat(Call& call) {
  const StringValue value = LoadString(call, call[1]);
  if (value.refused) return;
  long double number = 0;
  long double amount = 0;
  const bool read = (value.entry == nullptr || ReadFloat(value.entry->bytes, &number)) &&
                    ReadFloat(call[2], &amount);
  if (!read) return call.reply.Error("ERR value is not a valid float");
  number += amount;
  if (std::isnan(number) || std::isinf(number)) {
    return call.reply.Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = FloatText(number);
  call.data.Put(call.db(), call[1], ValueType::kString, DeathOf(value.entry), text);
  call.reply.Bulk(text);
}

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
#include "server/redis/death_commands.h"

#include <limits>
#include <string>

#include "server/redis/argument.h"
#include "server/redis/expiry.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

struct ExpireTerms {
  bool if_none = false;     // NX
  bool if_some = false;     // XX
  bool if_later = false;    // GT
  bool if_earlier = false;  // LT
};

bool ReadTerms(Call& call, ExpireTerms* terms) {
  for (size_t i = 3; i < call.size(); ++i) {
    if (Is(call[i], "nx")) {
      terms->if_none = true;
    } else if (Is(call[i], "xx")) {
      terms->if_some = true;
    } else if (Is(call[i], "gt")) {
      terms->if_later = true;
    } else if (Is(call[i], "lt")) {
      terms->if_earlier = true;
    } else {
      call.reply.Error("ERR Unsupported option " + std::string(CText(call[i])));
      return false;
    }
  }
  if (terms->if_none && (terms->if_some || terms->if_later || terms->if_earlier)) {
    call.reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (terms->if_later && terms->if_earlier) {
    call.reply.Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// A key without a time of death lives longest.
bool Holds(const ExpireTerms& terms, int64_t was, int64_t wanted) {
  if (terms.if_none && was != kNeverMs) return false;
  if (terms.if_some && was == kNeverMs) return false;
  if (terms.if_later && (was == kNeverMs || wanted <= was)) return false;
  return !(terms.if_earlier && was != kNeverMs && wanted >= was);
}

void Expire(Call& call, TimeWord word) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  ExpireTerms terms;
  if (!ReadTerms(call, &terms)) return;
  int64_t time = 0;
  if (!ExpectInteger(call, call[2], &time)) return;
  const bool seconds = word == TimeWord::kEx || word == TimeWord::kExAt;
  const bool from_now = word == TimeWord::kEx || word == TimeWord::kPx;
  bool valid = !seconds || (time <= kMost / 1000 && time >= kLeast / 1000);
  if (valid && seconds) time *= 1000;
  valid = valid && !(from_now && time > kMost - call.now_ms());
  if (!valid) {
    return call.reply.Error("ERR invalid expire time in '" + call.command.FullName() + "' command");
  }
  if (from_now) time += call.now_ms();
  time = NotNever(time);
  const Entry* const entry = call.data.Load(call.db(), call[1]);
  if (entry == nullptr || !Holds(terms, entry->dead_at_ms, time)) return call.reply.Integer(0);
  const ValueType type = entry->type;
  const std::string bytes(entry->bytes);
  call.data.Put(call.db(), call[1], type, time, bytes);
  call.reply.Integer(1);
}

// -2: there is no such key; -1: it does not die.
void TellDeath(Call& call, bool seconds, bool from_now) {
  const Entry* const entry = call.data.Find(call.db(), call[1]);
  if (entry == nullptr) return call.reply.Integer(-2);
  if (entry->dead_at_ms == kNeverMs) return call.reply.Integer(-1);
  const int64_t time = from_now ? entry->dead_at_ms - call.now_ms() : entry->dead_at_ms;
  // To the nearest second, without a sum: PEXPIREAT takes any number.
  call.reply.Integer(seconds ? time / 1000 + (time % 1000 >= 500 ? 1 : 0) : time);
}

}  // namespace

void RunExpire(Call& call) { Expire(call, TimeWord::kEx); }
void RunPExpire(Call& call) { Expire(call, TimeWord::kPx); }
void RunExpireAt(Call& call) { Expire(call, TimeWord::kExAt); }
void RunPExpireAt(Call& call) { Expire(call, TimeWord::kPxAt); }
void RunTtl(Call& call) { TellDeath(call, true, true); }
void RunPTtl(Call& call) { TellDeath(call, false, true); }
void RunExpireTime(Call& call) { TellDeath(call, true, false); }
void RunPExpireTime(Call& call) { TellDeath(call, false, false); }

void RunPersist(Call& call) {
  const Entry* const entry = call.data.Load(call.db(), call[1]);
  if (entry == nullptr || entry->dead_at_ms == kNeverMs) return call.reply.Integer(0);
  const ValueType type = entry->type;
  const std::string bytes(entry->bytes);
  call.data.Put(call.db(), call[1], type, kNeverMs, bytes);
  call.reply.Integer(1);
}

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// StringValues: how commands come by a string, and those of them that change one in its place.
//
// Threads: the door's one.
#pragma once

#include <string_view>

#include "server/redis/command.h"

namespace onced::redis {

constexpr size_t kStringMax = size_t{64} << 20;

// The string of a key; nullptr: there is none. `refused`: it is no string, and that is answered.
struct StringValue {
  const Entry* entry = nullptr;
  bool refused = false;
};
StringValue LoadString(Call& call, std::string_view key);
StringValue FindString(Call& call, std::string_view key);  // counted as a hit or a miss

void RunAppend(Call& call);
void RunSetRange(Call& call);
void RunGetRange(Call& call);
void RunIncr(Call& call);
void RunDecr(Call& call);
void RunIncrBy(Call& call);
void RunDecrBy(Call& call);
void RunIncrByFloat(Call& call);

}  // namespace onced::redis

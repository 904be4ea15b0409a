// SPDX-License-Identifier: MIT
// Info: how the server is, as INFO tells it: sections of name:value lines.
//
// Threads: the door's one.
#pragma once

#include <string>

#include "server/redis/command.h"

namespace onced::redis {

// `sections`: those that are wanted, in whatever case; none: the default ones.
std::string InfoText(Interpreter& redis, Session& session,
                     std::span<const std::string_view> sections);

}  // namespace onced::redis

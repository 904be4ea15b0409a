// SPDX-License-Identifier: MIT
// ClientCommands: CLIENT and its subcommands, and what else is said of connections.
//
// Threads: the door's one.
#pragma once

#include <span>
#include <string_view>

#include "server/redis/command.h"

namespace onced::redis {

// What onced answers as, as others that are not Redis do; INFO tells what it is.
inline constexpr std::string_view kRedisVersion = "7.2.4";

// The error for a name that a connection cannot have, or none. Printable, without blanks; an empty
// one takes the name away. At most 512 bytes, where Redis has no limit: CLIENT LIST tells all of
// them at once.
std::string_view WhyNoClientName(std::string_view name);

std::span<const Command> ClientSubcommands();

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// CommandCommands: COMMAND and its subcommands: the table, told to clients.
//
// Threads: the door's one.
#pragma once

#include <span>

#include "server/redis/command.h"

namespace onced::redis {

void RunCommandAll(Call& call);
std::span<const Command> CommandSubcommands();

}  // namespace onced::redis

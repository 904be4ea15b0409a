// SPDX-License-Identifier: MIT
// CommandDocument: COMMANDS.md, made from the table of commands.
//
// Threads: a pure function.
#pragma once

#include <string>

namespace onced::redis {

std::string CommandDocument();

}  // namespace onced::redis

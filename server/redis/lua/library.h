// SPDX-License-Identifier: MIT
// Library: the functions that scripts find in `redis` and `server`.
//
// Private to server/redis/lua: includes Lua.
// Threads: its state's.
// Invariants: nothing here owns memory while Lua may raise: Lua leaves a function by longjmp.
#pragma once

#include <lua.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/redis/lua/machine.h"

namespace onced::redis::lua {

// What the functions work with, for the script that runs. It outlives the state.
struct Running {
  std::string version;
  lua_State* lua = nullptr;  // not that of a coroutine
  Host* host = nullptr;
  int protocol = 2;  // of replies, as the script has set it
  bool ended = false;

  // Of the command that is being run.
  std::vector<std::string_view> arguments;
  std::vector<std::string> numbers;  // those that were given as numbers
  std::string reply;
};

// Adds the tables to the sandbox. May raise.
void OpenLibrary(lua_State* state, Running* running);

}  // namespace onced::redis::lua

// SPDX-License-Identifier: MIT
// Values: replies as Lua sees them, and what a script returns as a reply, as Redis 7.0 converts
// them
// (https://redis.io/docs/latest/develop/interact/programmability/lua-api/#data-type-conversion).
//
// Private to server/redis/lua: includes Lua.
// Threads: its state's.
#pragma once

#include <lua.hpp>
#include <string_view>

#include "server/redis/reply.h"

namespace onced::redis::lua {

// Pushes what the first reply of `bytes` is, and takes it off them. May raise.
// REQUIRES: it is whole.
void PushReply(lua_State* state, std::string_view* bytes);

// Answers with the value on the stack's top, which is taken. `protocol`: what the script speaks.
// May raise.
void WriteReply(lua_State* state, int protocol, Reply* reply);

// Pushes {err = "CODE message"} for an error as Redis writes it: "-CODE message", or a message
// alone, which gets the code ERR. May raise.
void PushError(lua_State* state, std::string_view error);

}  // namespace onced::redis::lua

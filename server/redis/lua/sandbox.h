// SPDX-License-Identifier: MIT
// Sandbox: what of Lua a script may touch: the libraries that Redis gives to scripts and cjson, all
// of it read-only, with no way to files, to the system, or to bytecode.
//
// Lua 5.1 as Debian has it knows no read-only tables. So what a script sees of a library is an
// empty table that stands for it: reads fall through to the real one, writes end in an error, and
// the functions that would go past a metatable (rawset, table.insert, next, ...) are told of it.
//
// Private to server/redis/lua: includes Lua.
// Threads: its state's.
// Invariants: no script sees what another has left in a global or a library.
#pragma once

#include <lua.hpp>

namespace onced::redis::lua {

// Opens the libraries and shuts the sandbox around them. May raise.
void OpenSandbox(lua_State* state);

// Gives scripts the table on the stack's top, which it takes, under a name; read-only from here on.
void AddToSandbox(lua_State* state, const char* name);
// Sets a global that scripts may read, and whose own fields they may write, from the stack's top,
// which it takes.
void SetGlobal(lua_State* state, const char* name);

}  // namespace onced::redis::lua

// SPDX-License-Identifier: MIT
#include "server/redis/lua/sandbox.h"

extern "C" {
#include <lua-cjson.h>
}

#include <algorithm>
#include <cstddef>

namespace onced::redis::lua {
namespace {

// By the address of each: the real tables behind those that stand for them, and the globals.
constexpr char kProtected = 0;
constexpr char kGlobals = 0;

constexpr const char* kReadOnly = "Attempt to modify a readonly table";
// Lua matches patterns by recursion, as deep as a pattern is long.
constexpr size_t kPatternMax = 8'192;
// cjson ends the process when what it writes does not fit into memory.
constexpr double kJsonMax = 64.0 * 1024 * 1024;
constexpr int kJsonDepthMax = 1'000;

void PushRegistered(lua_State* L, const char* key) {
  lua_pushlightuserdata(L, const_cast<char*>(key));
  lua_rawget(L, LUA_REGISTRYINDEX);
}

// Pushes what the value at `at` stands for; false, and nothing: it stands for itself.
bool PushReal(lua_State* L, int at) {
  lua_pushvalue(L, at);
  PushRegistered(L, &kProtected);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

int RefuseWrite(lua_State* L) { return luaL_error(L, kReadOnly); }

int RefuseUnknown(lua_State* L) {
  return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                    lua_tostring(L, 2));
}

// Replaces the table on top by an empty one that stands for it.
void Protect(lua_State* L) {
  lua_newtable(L);  // real, stand-in
  PushRegistered(L, &kProtected);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_newtable(L);  // its metatable
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, RefuseWrite);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);  // through it one would get at what is real: see GetMetatable
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

// The table on top, read-only and taken, is what scripts see as the metatable of the value below
// it.
void ShowAsMetatable(lua_State* L) {
  Protect(L);
  lua_getmetatable(L, -2);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

// What stands for a library has none, as far as a script sees.
int GetMetatable(lua_State* L) {
  luaL_checkany(L, 1);
  if (lua_getmetatable(L, 1) == 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_pop(L, 1);
  if (luaL_getmetafield(L, 1, "__metatable") == 0) {
    lua_getmetatable(L, 1);
  } else if (lua_isboolean(L, -1) && lua_toboolean(L, -1) == 0) {
    lua_pushnil(L);
  }
  return 1;
}

// Functions that are wrapped run in the frame of their wrapper, so that their errors name them;
// what they close over, one value at most, is its first upvalue, as it was theirs.
int Wrapped(lua_State* L) { return lua_tocfunction(L, lua_upvalueindex(2))(L); }

int WithoutWriting(lua_State* L) {
  if (PushReal(L, 1)) {
    lua_pushstring(L, kReadOnly);
    return lua_error(L);
  }
  return Wrapped(L);
}

// It moves all that is behind the position, one by one, and the host is not asked meanwhile.
int InsertNearby(lua_State* L) {
  constexpr lua_Number kLowest = -1'000'000;
  if (lua_gettop(L) == 3 && lua_tonumber(L, 2) < kLowest) {
    return luaL_argerror(L, 2, "position out of bounds");
  }
  return WithoutWriting(L);
}

// Nothing, however often it is repeated, is soon had.
int RepeatQuickly(lua_State* L) {
  if (lua_type(L, 1) != LUA_TSTRING || lua_objlen(L, 1) > 0) return Wrapped(L);
  (void)luaL_checkint(L, 2);
  lua_pushliteral(L, "");
  return 1;
}

int SeeingThrough(lua_State* L) {
  if (PushReal(L, 1)) lua_replace(L, 1);
  return Wrapped(L);
}

int WithShortPattern(lua_State* L) {
  size_t size = 0;
  if (lua_type(L, 2) == LUA_TSTRING) (void)lua_tolstring(L, 2, &size);
  luaL_argcheck(L, size <= kPatternMax, 2, "pattern too long");
  return Wrapped(L);
}

int Pairs(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

// The library's own reckons in int, where the width of a range can overflow (CVE-2025-46817).
int Unpack(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const int64_t from = luaL_optint(L, 2, 1);
  const int64_t to = luaL_opt(L, luaL_checkint, 3, static_cast<int>(lua_objlen(L, 1)));
  if (from > to) return 0;
  const int64_t count = to - from + 1;
  if (count > LUAI_MAXCSTACK || lua_checkstack(L, static_cast<int>(count)) == 0) {
    return luaL_error(L, "too many results to unpack");
  }
  for (int64_t i = from; i <= to; ++i) lua_rawgeti(L, 1, static_cast<int>(i));
  return static_cast<int>(count);
}

// As Redis has it: an error that is a table with a field err is told by that alone.
int PCall(lua_State* L) {
  luaL_checkany(L, 1);
  const int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (status != 0 && lua_istable(L, -1)) {
    lua_getfield(L, -1, "err");
    lua_isstring(L, -1) ? lua_replace(L, -2) : lua_pop(L, 1);
  }
  lua_pushboolean(L, status == 0);
  lua_insert(L, 1);
  return lua_gettop(L);
}

bool IsBytecode(const char* chunk, size_t size) { return size > 0 && chunk[0] == LUA_SIGNATURE[0]; }

int AnswerLoaded(lua_State* L, const char* chunk, size_t size, const char* name) {
  if (IsBytecode(chunk, size)) {
    lua_pushnil(L);
    lua_pushliteral(L, "bytecode is not loaded");
    return 2;
  }
  if (luaL_loadbuffer(L, chunk, size, name) == 0) return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

int LoadString(lua_State* L) {
  size_t size = 0;
  const char* const chunk = luaL_checklstring(L, 1, &size);
  return AnswerLoaded(L, chunk, size, luaL_optstring(L, 2, chunk));
}

// The pieces are joined first: bytecode may come in any, and a reader that runs while Lua parses
// can have it lose the name of what it reads (CVE-2025-49844).
int Load(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  const char* const name = luaL_optstring(L, 2, "=(load)");
  luaL_Buffer chunk;
  luaL_buffinit(L, &chunk);
  for (;;) {
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    size_t size = 0;
    if (lua_isnil(L, -1)) break;
    if (lua_tolstring(L, -1, &size) == nullptr) {
      return luaL_error(L, "reader function must return a string");
    }
    if (size == 0) break;
    luaL_addvalue(&chunk);
  }
  lua_pop(L, 1);
  luaL_pushresult(&chunk);
  size_t size = 0;
  const char* const text = lua_tolstring(L, -1, &size);
  return AnswerLoaded(L, text, size, name);
}

// At most so many bytes of JSON are written for the value at `at`.
double JsonBytes(lua_State* L, int at, int depth) {
  constexpr double kNumber = 32;
  constexpr double kEscaped = 6;
  constexpr double kHole = 5;  // "null,"
  if (lua_type(L, at) == LUA_TSTRING) {
    return kEscaped * static_cast<double>(lua_objlen(L, at)) + 3;
  }
  if (lua_type(L, at) != LUA_TTABLE) return kNumber;
  if (depth > kJsonDepthMax) return 0;  // refused by cjson
  luaL_checkstack(L, 4, "json");
  double bytes = 2;
  double last = 0;  // of an array, whose holes are written too
  lua_pushnil(L);
  while (bytes <= kJsonMax && lua_next(L, at) != 0) {
    const int value = lua_gettop(L);
    if (lua_type(L, value - 1) == LUA_TNUMBER) last = std::max(last, lua_tonumber(L, value - 1));
    bytes += JsonBytes(L, value - 1, depth + 1) + JsonBytes(L, value, depth + 1) + 2;
    lua_pop(L, 1);
  }
  if (bytes > kJsonMax) lua_pop(L, 1);
  return bytes + last * kHole;
}

int WithBoundedJson(lua_State* L) {
  const int top = lua_gettop(L);
  if (top >= 1 && JsonBytes(L, 1, 0) > kJsonMax) return luaL_error(L, "JSON too large");
  lua_settop(L, top);
  return Wrapped(L);
}

// Wraps the function `name` of the table on top.
void Wrap(lua_State* L, const char* name, lua_CFunction by) {
  lua_getfield(L, -1, name);
  if (lua_getupvalue(L, -1, 1) == nullptr) lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushcclosure(L, by, 2);
  lua_setfield(L, -2, name);
}

void OpenLibrary(lua_State* L, const char* name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

// The functions of the base library that scripts have, from those of Lua on top.
void FillGlobals(lua_State* L, int from, int globals) {
  constexpr const char* kAsTheyAre[] = {"_VERSION", "assert",   "collectgarbage", "error",
                                        "gcinfo",   "ipairs",   "rawequal",       "select",
                                        "tonumber", "tostring", "type",           "xpcall",
                                        "rawget",   "rawset",   "setmetatable",   "next"};
  for (const char* const name : kAsTheyAre) {
    lua_getfield(L, from, name);
    lua_setfield(L, globals, name);
  }
  lua_pushvalue(L, globals);
  Wrap(L, "rawset", WithoutWriting);
  Wrap(L, "setmetatable", WithoutWriting);
  Wrap(L, "rawget", SeeingThrough);
  Wrap(L, "next", SeeingThrough);
  lua_getfield(L, globals, "next");
  lua_pushcclosure(L, Pairs, 1);
  lua_setfield(L, globals, "pairs");
  constexpr luaL_Reg kOwn[] = {{"pcall", PCall},
                               {"loadstring", LoadString},
                               {"load", Load},
                               {"unpack", Unpack},
                               {"getmetatable", GetMetatable}};
  for (const luaL_Reg& own : kOwn) {
    lua_pushcfunction(L, own.func);
    lua_setfield(L, globals, own.name);
  }
  lua_pop(L, 1);
}

void FillLibraries(lua_State* L, int from, int globals) {
  lua_getfield(L, from, "string");
  Wrap(L, "rep", RepeatQuickly);
  for (const char* const name : {"find", "match", "gmatch", "gfind", "gsub"}) {
    Wrap(L, name, WithShortPattern);
  }
  lua_pop(L, 1);
  lua_getfield(L, from, "table");
  Wrap(L, "insert", InsertNearby);
  Wrap(L, "foreach", SeeingThrough);
  lua_pop(L, 1);
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  Wrap(L, "encode", WithBoundedJson);
  lua_pushnil(L);
  lua_setfield(L, -2, "new");  // would make an encode that is not bounded
  lua_setfield(L, from, "cjson");
  for (const char* const name : {"coroutine", "string", "table", "math", "cjson"}) {
    lua_getfield(L, from, name);
    Protect(L);
    lua_setfield(L, globals, name);
  }
}

}  // namespace

void OpenSandbox(lua_State* L) {
  for (const char* const key : {&kProtected, &kGlobals}) {
    lua_pushlightuserdata(L, const_cast<char*>(key));
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  OpenLibrary(L, "", luaopen_base);
  OpenLibrary(L, LUA_STRLIBNAME, luaopen_string);
  OpenLibrary(L, LUA_TABLIBNAME, luaopen_table);
  OpenLibrary(L, LUA_MATHLIBNAME, luaopen_math);
  PushRegistered(L, &kGlobals);
  const int globals = lua_gettop(L);
  FillGlobals(L, LUA_GLOBALSINDEX, globals);
  FillLibraries(L, LUA_GLOBALSINDEX, globals);
  // Strings find their functions in what is protected, and nobody changes where they look.
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_getfield(L, globals, "string");
  lua_setfield(L, -2, "__index");
  ShowAsMetatable(L);  // its __index is what stands for the library
  lua_pop(L, 1);
  lua_newtable(L);  // what there is not is an error
  lua_pushcfunction(L, RefuseUnknown);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, globals);
  Protect(L);
  lua_newtable(L);  // the real one would give the globals away
  ShowAsMetatable(L);
  PushRegistered(L, &kGlobals);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "_G");
  lua_pop(L, 1);
  lua_replace(L, LUA_GLOBALSINDEX);
}

void AddToSandbox(lua_State* L, const char* name) {
  Protect(L);
  SetGlobal(L, name);
}

void SetGlobal(lua_State* L, const char* name) {
  PushRegistered(L, &kGlobals);
  lua_insert(L, -2);
  lua_pushstring(L, name);
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

}  // namespace onced::redis::lua

// SPDX-License-Identifier: MIT
#include "server/redis/lua/library.h"

#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "engine/check.h"
#include "server/redis/lua/sandbox.h"
#include "server/redis/lua/values.h"

namespace onced::redis::lua {
namespace {

enum Log : int { kDebug, kVerbose, kNotice, kWarning };
enum Replication : int { kNone = 0, kAof = 1, kReplica = 2, kAll = 3 };

constexpr std::string_view kNoArgument =
    "Please specify at least one argument for this redis lib call";
constexpr std::string_view kWrongArgument =
    "Lua redis lib command arguments must be strings or integers";

Running& Of(lua_State* L) { return *static_cast<Running*>(lua_touserdata(L, lua_upvalueindex(1))); }

// Redis raises its own errors as tables.
int Raise(lua_State* L, std::string_view error) {
  PushError(L, error);
  return lua_error(L);
}

std::string_view TextAt(lua_State* L, int at) {
  size_t size = 0;
  const char* const text = lua_tolstring(L, at, &size);
  return {text, size};
}

// Fills running.arguments from what is on the stack, which keeps what they point into. False: one
// is neither a string nor a number.
bool ReadArguments(lua_State* L, Running* running) {
  const int count = lua_gettop(L);
  running->arguments.clear();
  running->numbers.clear();
  running->numbers.reserve(static_cast<size_t>(count));  // they must not move
  for (int at = 1; at <= count; ++at) {
    if (lua_type(L, at) == LUA_TNUMBER) {
      std::array<char, 64> text;
      const int size = std::snprintf(text.data(), text.size(), "%.17g", lua_tonumber(L, at));
      running->numbers.emplace_back(text.data(), static_cast<size_t>(size));
      running->arguments.emplace_back(running->numbers.back());
    } else if (lua_type(L, at) == LUA_TSTRING) {
      running->arguments.push_back(TextAt(L, at));
    } else {
      return false;
    }
  }
  return true;
}

// Leaves the reply as Lua sees it on the stack; true: it is an error.
bool RunCommand(lua_State* L) {
  Running& running = Of(L);
  if (lua_gettop(L) == 0) {
    PushError(L, kNoArgument);
    return true;
  }
  if (!ReadArguments(L, &running)) {
    PushError(L, kWrongArgument);
    return true;
  }
  running.reply.clear();
  running.host->Run(running.arguments, running.protocol, &running.reply);
  std::string_view reply = running.reply;
  PushReply(L, &reply);
  return running.reply.front() == '-';
}

int Call(lua_State* L) { return RunCommand(L) ? lua_error(L) : 1; }

int PCall(lua_State* L) {
  (void)RunCommand(L);
  return 1;
}

int PushSha1(lua_State* L) {
  if (lua_gettop(L) != 1) return Raise(L, "wrong number of arguments");
  std::string& hex = Of(L).reply;  // not our own: Lua may raise while it is copied
  hex = Sha1Hex(TextAt(L, 1));
  lua_pushlstring(L, hex.data(), hex.size());
  return 1;
}

// {err = ...} or {ok = ...} of the one argument.
int ErrorReply(lua_State* L) {
  if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
    PushError(L, "wrong number or type of arguments");
    return 1;
  }
  if (lua_tostring(L, 1)[0] != '-') {
    lua_pushliteral(L, "-");
    lua_insert(L, 1);
    lua_concat(L, 2);
  }
  PushError(L, lua_tostring(L, 1));
  return 1;
}

int StatusReply(lua_State* L) {
  if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
    PushError(L, "wrong number or type of arguments");
    return 1;
  }
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "ok");
  return 1;
}

int SetResp(lua_State* L) {
  if (lua_gettop(L) != 1) return Raise(L, "redis.setresp() requires one argument.");
  const auto protocol = static_cast<int>(lua_tonumber(L, 1));
  if (protocol != 2 && protocol != 3) return Raise(L, "RESP version must be 2 or 3.");
  Of(L).protocol = protocol;
  return 0;
}

// Nothing is replicated, so it is all the same.
int SetRepl(lua_State* L) {
  if (lua_gettop(L) != 1) return Raise(L, "redis.set_repl() requires two arguments.");
  const auto flags = static_cast<int>(lua_tonumber(L, 1));
  if ((flags & ~static_cast<int>(kAll)) != 0) {
    return Raise(L,
                 "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  return 0;
}

int ReplicateCommands(lua_State* L) {
  lua_pushboolean(L, 1);
  return 1;
}

int Breakpoint(lua_State* L) {
  lua_pushboolean(L, 0);
  return 1;
}

int Debug(lua_State*) { return 0; }

int AclCheckCommand(lua_State* L) {
  if (lua_gettop(L) == 0) return Raise(L, kNoArgument);
  Running& running = Of(L);
  if (!ReadArguments(L, &running)) return Raise(L, kWrongArgument);
  if (!running.host->Has(running.arguments[0])) {
    return Raise(L, "Invalid command passed to redis.acl_check_cmd()");
  }
  lua_pushboolean(L, 1);
  return 1;
}

int Log(lua_State* L) {
  const int count = lua_gettop(L);
  if (count < 2) return Raise(L, "redis.log() requires two arguments or more.");
  if (lua_isnumber(L, 1) == 0) return Raise(L, "First argument must be a number (log level).");
  const auto level = static_cast<int>(lua_tonumber(L, 1));
  if (level < kDebug || level > kWarning) return Raise(L, "Invalid debug level.");
  Running& running = Of(L);
  running.reply.clear();
  for (int at = 2; at <= count; ++at) {
    if (lua_isstring(L, at) == 0) continue;
    const std::string_view piece = TextAt(L, at);
    if (!running.reply.empty()) running.reply += ' ';
    running.reply += piece;
  }
  running.host->Log(level, running.reply);
  return 0;
}

struct Constant {
  const char* name;
  int value;
};
constexpr Constant kConstants[] = {
    {"LOG_DEBUG", kDebug},     {"LOG_VERBOSE", kVerbose},  {"LOG_NOTICE", kNotice},
    {"LOG_WARNING", kWarning}, {"REPL_NONE", kNone},       {"REPL_AOF", kAof},
    {"REPL_SLAVE", kReplica},  {"REPL_REPLICA", kReplica}, {"REPL_ALL", kAll}};

// 0x00MMmmpp.
int NumberOf(const std::string& version) {
  int major = 0;
  int minor = 0;
  int patch = 0;
  (void)std::sscanf(version.c_str(), "%d.%d.%d", &major, &minor, &patch);
  return major << 16 | minor << 8 | patch;
}

constexpr luaL_Reg kFunctions[] = {{"call", Call},
                                   {"pcall", PCall},
                                   {"log", Log},
                                   {"setresp", SetResp},
                                   {"sha1hex", PushSha1},
                                   {"error_reply", ErrorReply},
                                   {"status_reply", StatusReply},
                                   {"replicate_commands", ReplicateCommands},
                                   {"set_repl", SetRepl},
                                   {"breakpoint", Breakpoint},
                                   {"debug", Debug},
                                   {"acl_check_cmd", AclCheckCommand}};

}  // namespace

std::string Sha1Hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  ONCED_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

void OpenLibrary(lua_State* L, Running* running) {
  for (const char* const name : {"redis", "server"}) {
    lua_newtable(L);
    for (const luaL_Reg& function : kFunctions) {
      lua_pushlightuserdata(L, running);
      lua_pushcclosure(L, function.func, 1);
      lua_setfield(L, -2, function.name);
    }
    for (const Constant& constant : kConstants) {
      lua_pushnumber(L, constant.value);
      lua_setfield(L, -2, constant.name);
    }
    lua_pushlstring(L, running->version.data(), running->version.size());
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_pushnumber(L, NumberOf(running->version));
    lua_setfield(L, -2, "REDIS_VERSION_NUM");
    AddToSandbox(L, name);
  }
}

}  // namespace onced::redis::lua

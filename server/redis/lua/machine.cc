// SPDX-License-Identifier: MIT
#include "server/redis/lua/machine.h"

#include <cstdlib>
#include <lua.hpp>

#include "engine/check.h"
#include "server/redis/lua/library.h"
#include "server/redis/lua/sandbox.h"
#include "server/redis/lua/values.h"

namespace onced::redis::lua {
namespace {

constexpr const char* kChunkName = "@user_script";
constexpr int kInstructionsApart = 100'000;  // between two looks at the host

struct Memory {
  size_t used = 0;
};

void* Allocate(void* data, void* block, size_t old_size, size_t new_size) {
  auto& memory = *static_cast<Memory*>(data);
  if (new_size == 0) {
    std::free(block);
    memory.used -= old_size;
    return nullptr;
  }
  if (new_size > old_size && memory.used + (new_size - old_size) > Machine::kMemoryMax) {
    return nullptr;
  }
  void* const moved = std::realloc(block, new_size);
  if (moved != nullptr) memory.used += new_size - old_size;
  return moved;
}

// By its address: the Running of a state.
constexpr char kRunning = 0;

Running& RunningOf(lua_State* L) {
  lua_pushlightuserdata(L, const_cast<char*>(&kRunning));
  lua_rawget(L, LUA_REGISTRYINDEX);
  auto* const running = static_cast<Running*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  return *running;
}

bool MustEnd(void* running) { return !static_cast<Running*>(running)->host->WhyEnd().empty(); }

void AskHost(lua_State* L, lua_Debug*) {
  Running& running = RunningOf(L);
  const std::string_view why = running.host->WhyEnd();
  if (why.empty()) return;
  running.ended = true;
  // At every instruction from here on, in coroutines and out of them, or pcall would keep it alive.
  lua_sethook(L, AskHost, LUA_MASKCOUNT, 1);
  lua_sethook(running.lua, AskHost, LUA_MASKCOUNT, 1);
  PushError(L, why);
  lua_error(L);
}

// Makes of what was raised a table that tells also where.
int OnError(lua_State* L) {
  lua_Debug where;
  bool known = false;
  for (int level = 1; level <= 2 && !known; ++level) {
    if (lua_getstack(L, level, &where) == 0) break;
    lua_getinfo(L, "nSl", &where);
    known = *where.what != 'C' || level == 2;
  }
  if (!lua_istable(L, 1)) {
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "ERR ");
    if (lua_isstring(L, 1)) {
      lua_pushvalue(L, 1);
    } else if (luaL_callmeta(L, 1, "__tostring") == 0) {
      lua_pushstring(L, lua_isnil(L, 1)       ? "nil"
                        : lua_isboolean(L, 1) ? (lua_toboolean(L, 1) != 0 ? "true" : "false")
                                              : luaL_typename(L, 1));
    }
    lua_concat(L, 2);
    lua_setfield(L, -2, "err");
    lua_replace(L, 1);
  }
  if (known) {
    lua_pushstring(L, where.source);
    lua_setfield(L, 1, "source");
    lua_pushnumber(L, where.currentline);
    lua_setfield(L, 1, "line");
  }
  lua_settop(L, 1);
  return 1;
}

int Open(lua_State* L) {
  auto* const running = static_cast<Running*>(lua_touserdata(L, 1));
  lua_pushlightuserdata(L, const_cast<char*>(&kRunning));
  lua_pushlightuserdata(L, running);
  lua_rawset(L, LUA_REGISTRYINDEX);
  OpenSandbox(L);
  OpenLibrary(L, running);
  return 0;
}

void SetArguments(lua_State* L, const char* name, Arguments arguments) {
  lua_createtable(L, static_cast<int>(arguments.size()), 0);
  int at = 0;
  for (const std::string_view argument : arguments) {
    lua_pushlstring(L, argument.data(), argument.size());
    lua_rawseti(L, -2, ++at);
  }
  SetGlobal(L, name);
}

// The field of the error on top, "" when it is no string.
std::string_view FieldOf(lua_State* L, const char* name) {
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  size_t size = 0;
  const char* const text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : "";
  lua_pop(L, 1);  // the table still has it
  return {text, size};
}

long LineOf(lua_State* L) {
  lua_pushliteral(L, "line");
  lua_rawget(L, -2);
  const auto line = static_cast<long>(lua_tonumber(L, -1));
  lua_pop(L, 1);
  return line;
}

}  // namespace

struct Machine::State {
  Memory memory;
  Running running;
  lua_State* lua = nullptr;
};

// What is done in protected mode.
struct Machine::Task {
  State* state;
  const std::string* sha;
  Arguments keys;
  Arguments arguments;
  Reply* reply;
  std::string error;  // of the script
};

Machine::Machine(std::string_view version) : state_(std::make_unique<State>()) {
  state_->lua = lua_newstate(Allocate, &state_->memory);
  ONCED_CHECK(state_->lua != nullptr);
  state_->running.lua = state_->lua;
  state_->running.version = version;
  ONCED_CHECK(lua_cpcall(state_->lua, Open, &state_->running) == 0);
}

Machine::~Machine() { lua_close(state_->lua); }

std::string Machine::Compile(const std::string& sha, std::string_view text) {
  struct Chunk {
    const std::string& sha;
    std::string_view text;
  } chunk{sha, text};
  const auto compile = [](lua_State* lua) {
    const Chunk& one = *static_cast<Chunk*>(lua_touserdata(lua, 1));
    if (one.text.starts_with(LUA_SIGNATURE[0])) return luaL_error(lua, "bytecode is not loaded");
    if (luaL_loadbuffer(lua, one.text.data(), one.text.size(), kChunkName) != 0) {
      return lua_error(lua);
    }
    lua_setfield(lua, LUA_REGISTRYINDEX, one.sha.c_str());
    return 0;
  };
  if (lua_cpcall(state_->lua, compile, &chunk) == 0) return "";
  const char* const text_of = lua_tostring(state_->lua, -1);
  std::string error = text_of == nullptr ? "unknown" : text_of;
  lua_settop(state_->lua, 0);
  return error;
}

bool Machine::HasCompiled(const std::string& sha) {
  bool has = false;
  struct Asked {
    const std::string& sha;
    bool& has;
  } asked{sha, has};
  const auto ask = [](lua_State* lua) {
    const Asked& one = *static_cast<Asked*>(lua_touserdata(lua, 1));
    lua_getfield(lua, LUA_REGISTRYINDEX, one.sha.c_str());
    one.has = lua_isfunction(lua, -1);
    return 0;
  };
  if (lua_cpcall(state_->lua, ask, &asked) != 0) lua_settop(state_->lua, 0);
  return has;
}

void Machine::Forget(const std::string& sha) {
  const auto forget = [](lua_State* lua) {
    lua_pushnil(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, static_cast<const char*>(lua_touserdata(lua, 1)));
    return 0;
  };
  if (lua_cpcall(state_->lua, forget, const_cast<char*>(sha.c_str())) != 0) {
    lua_settop(state_->lua, 0);
  }
}

int Machine::RunTask(lua_State* L) {
  Task& task = *static_cast<Task*>(lua_touserdata(L, 1));
  lua_settop(L, 0);
  SetArguments(L, "KEYS", task.keys);
  SetArguments(L, "ARGV", task.arguments);
  lua_pushcfunction(L, OnError);
  lua_getfield(L, LUA_REGISTRYINDEX, task.sha->c_str());
  const int status = lua_pcall(L, 0, 1, 1);
  if (status == LUA_ERRMEM) return lua_error(L);
  if (status == 0) {
    Running& running = task.state->running;
    ReplyWriter writer(running.protocol, task.reply, MustEnd, &running);
    writer.Write(L);
    if (writer.too_large()) task.error = "ERR the reply of a script is at most 67108864 bytes long";
    if (writer.ended()) task.error.assign("ERR ").append(running.host->WhyEnd());
    running.ended = running.ended || writer.ended();
    return 0;
  }
  if (!lua_istable(L, -1)) {  // the handler itself failed
    task.error = "ERR Error running script " + *task.sha;
    return 0;
  }
  const std::string_view error = FieldOf(L, "err");
  const std::string_view source = FieldOf(L, "source");
  task.error = error.empty() ? std::string_view("ERR unknown error") : error;
  if (source.empty()) return 0;
  const long line = LineOf(L);
  task.error.append(" script: ").append(*task.sha).append(", on ").append(source);
  task.error.append(":").append(std::to_string(line)).append(".");
  return 0;
}

Machine::Ended Machine::Run(const std::string& sha, Arguments keys, Arguments arguments, Host* host,
                            Reply* reply) {
  lua_State* const lua = state_->lua;
  Running& running = state_->running;
  running.host = host;
  running.protocol = 2;
  running.ended = false;
  Task task{.state = state_.get(),
            .sha = &sha,
            .keys = keys,
            .arguments = arguments,
            .reply = reply,
            .error = {}};
  const size_t begin = reply->out().size();
  lua_sethook(lua, AskHost, LUA_MASKCOUNT, kInstructionsApart);
  const int status = lua_cpcall(lua, RunTask, &task);
  lua_sethook(lua, nullptr, 0, 0);
  running.host = nullptr;
  if (status != 0) {
    reply->out().resize(begin);
    reply->Error("ERR not enough memory: a script may use 64 MiB");
    return Ended::kOutOfMemory;
  }
  lua_settop(lua, 0);
  lua_gc(lua, LUA_GCRESTART, 0);
  if (state_->memory.used > kMemoryMax / 4) lua_gc(lua, LUA_GCCOLLECT, 0);
  if (!task.error.empty()) {
    reply->out().resize(begin);
    reply->Error(task.error);
  }
  return running.ended ? Ended::kByHost : Ended::kItself;
}

}  // namespace onced::redis::lua

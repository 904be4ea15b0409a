// SPDX-License-Identifier: MIT
#include "server/redis/lua/values.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace onced::redis::lua {
namespace {

constexpr int kStackNeeded = 8;

// What the caller takes off `bytes`: a line without its end.
std::string_view TakeLine(std::string_view* bytes) {
  const size_t end = bytes->find("\r\n");
  const std::string_view line = bytes->substr(0, end);
  bytes->remove_prefix(end + 2);
  return line;
}

std::string_view TakeBulk(std::string_view* bytes, size_t size) {
  const std::string_view bulk = bytes->substr(0, size);
  bytes->remove_prefix(size + 2);
  return bulk;
}

int64_t NumberIn(std::string_view line) {
  int64_t number = 0;
  std::from_chars(line.data(), line.data() + line.size(), number);
  return number;
}

void Push(lua_State* L, std::string_view text) { lua_pushlstring(L, text.data(), text.size()); }

// Replaces the value on top by a table that has it in a field.
void Wrap(lua_State* L, const char* field) {
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, field);
}

void PushArray(lua_State* L, int64_t size, std::string_view* bytes) {
  lua_createtable(L, static_cast<int>(size), 0);
  for (int64_t i = 1; i <= size; ++i) {
    PushReply(L, bytes);
    lua_rawseti(L, -2, static_cast<int>(i));
  }
}

void PushMap(lua_State* L, int64_t pairs, std::string_view* bytes) {
  lua_createtable(L, 0, static_cast<int>(pairs));
  for (int64_t i = 0; i < pairs; ++i) {
    PushReply(L, bytes);
    PushReply(L, bytes);
    lua_rawset(L, -3);
  }
  Wrap(L, "map");
}

void PushSet(lua_State* L, int64_t size, std::string_view* bytes) {
  lua_createtable(L, 0, static_cast<int>(size));
  for (int64_t i = 0; i < size; ++i) {
    PushReply(L, bytes);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  Wrap(L, "set");
}

void PushVerbatim(lua_State* L, std::string_view text) {
  lua_createtable(L, 0, 2);
  Push(L, text.substr(0, 3));
  lua_setfield(L, -2, "format");
  Push(L, text.substr(4));
  lua_setfield(L, -2, "string");
  Wrap(L, "verbatim_string");
}

void PushDouble(lua_State* L, std::string_view line) {
  // Lines end in \r\n, where strtod stops.
  lua_pushnumber(L, std::strtod(line.data(), nullptr));
  Wrap(L, "double");
}

// As a cast does it on the machines that Redis runs on.
int64_t Truncated(double number) {
  constexpr double kEnd = 9'223'372'036'854'775'808.0;
  if (!(number >= -kEnd && number < kEnd)) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(number);
}

// Pushes the field of the table on top, if it is of this type.
bool PushField(lua_State* L, const char* name, int type) {
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  if (lua_type(L, -1) == type) return true;
  lua_pop(L, 1);
  return false;
}

std::string_view TextOnTop(lua_State* L) {
  size_t size = 0;
  const char* const text = lua_tolstring(L, -1, &size);
  return {text, size};
}

size_t CountPairs(lua_State* L) {
  size_t pairs = 0;
  lua_pushnil(L);
  for (; lua_next(L, -2) != 0; ++pairs) lua_pop(L, 1);
  return pairs;
}

void WriteVerbatim(lua_State* L, Reply* reply) {
  if (!PushField(L, "format", LUA_TSTRING)) return reply->Null();
  const std::string_view format = TextOnTop(L);
  lua_pop(L, 1);  // the table still has it
  if (!PushField(L, "string", LUA_TSTRING)) return reply->Null();
  reply->Verbatim(TextOnTop(L), format);
  lua_pop(L, 1);
}

std::string_view WithoutEnds(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

}  // namespace

void PushReply(lua_State* L, std::string_view* bytes) {
  luaL_checkstack(L, kStackNeeded, "reply");
  const char type = bytes->front();
  bytes->remove_prefix(1);
  const std::string_view line = TakeLine(bytes);
  const int64_t number = NumberIn(line);
  switch (type) {
    case '+':
      Push(L, line);
      return Wrap(L, "ok");
    case '-':
      PushError(L, {line.data() - 1, line.size() + 1});
      lua_pushboolean(L, 1);
      return lua_setfield(L, -2, "ignore_error_stats_update");
    case ':':
      return lua_pushnumber(L, static_cast<lua_Number>(number));
    case '$':
      if (number < 0) return lua_pushboolean(L, 0);
      return Push(L, TakeBulk(bytes, static_cast<size_t>(number)));
    case '*':
      if (number < 0) return lua_pushboolean(L, 0);
      return PushArray(L, number, bytes);
    case '%':
      return PushMap(L, number, bytes);
    case '~':
      return PushSet(L, number, bytes);
    case ',':
      return PushDouble(L, line);
    case '#':
      return lua_pushboolean(L, line == "t");
    case '(':
      Push(L, line);
      return Wrap(L, "big_number");
    case '=':
      return PushVerbatim(L, TakeBulk(bytes, static_cast<size_t>(number)));
    default:
      return lua_pushnil(L);
  }
}

void ReplyWriter::WriteMap(lua_State* L) {
  reply_->Map(CountPairs(L));
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pushvalue(L, -2);
    Write(L);
    Write(L);
  }
}

void ReplyWriter::WriteSet(lua_State* L) {
  reply_->Set(CountPairs(L));
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    Write(L);
  }
}

// To its first hole.
void ReplyWriter::WriteArray(lua_State* L) {
  int size = 0;
  for (;; ++size) {
    lua_rawgeti(L, -1, size + 1);
    const bool ends = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (ends) break;
  }
  reply_->Array(static_cast<size_t>(size));
  for (int i = 1; i <= size; ++i) {
    lua_rawgeti(L, -1, i);
    Write(L);
  }
}

void ReplyWriter::WriteTable(lua_State* L) {
  if (PushField(L, "err", LUA_TSTRING)) {
    reply_->Error(WithoutEnds(TextOnTop(L)));
  } else if (PushField(L, "ok", LUA_TSTRING)) {
    reply_->Status(TextOnTop(L));
  } else if (PushField(L, "double", LUA_TNUMBER)) {
    reply_->Double(lua_tonumber(L, -1));
  } else if (PushField(L, "map", LUA_TTABLE)) {
    WriteMap(L);
  } else if (PushField(L, "set", LUA_TTABLE)) {
    WriteSet(L);
  } else if (PushField(L, "big_number", LUA_TSTRING)) {
    reply_->BigNumber(TextOnTop(L));
  } else if (PushField(L, "verbatim_string", LUA_TTABLE)) {
    WriteVerbatim(L, reply_);
  } else {
    return WriteArray(L);
  }
  lua_pop(L, 1);
}

bool ReplyWriter::GoesOn() {
  constexpr size_t kApart = 10'000;  // looks at who may want it to end
  too_large_ = too_large_ || reply_->out().size() - begin_ > kBytesMax;
  if (++values_ % kApart == 0) ended_ = ended_ || must_end_(data_);
  return !too_large_ && !ended_;
}

void ReplyWriter::Write(lua_State* L) {
  if (!GoesOn()) return lua_pop(L, 1);
  if (lua_checkstack(L, kStackNeeded) == 0) {
    lua_pop(L, 1);
    return reply_->Error("ERR reached lua stack limit");
  }
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      reply_->Bulk(TextOnTop(L));
      break;
    case LUA_TNUMBER:
      reply_->Integer(Truncated(lua_tonumber(L, -1)));
      break;
    case LUA_TBOOLEAN: {
      const bool value = lua_toboolean(L, -1) != 0;
      if (protocol_ == 3) {
        reply_->Boolean(value);
      } else {
        value ? reply_->Integer(1) : reply_->Null();
      }
      break;
    }
    case LUA_TTABLE:
      WriteTable(L);
      break;
    default:
      reply_->Null();
  }
  lua_pop(L, 1);
}

void PushError(lua_State* L, std::string_view error) {
  std::string_view code = "ERR";
  std::string_view message = error;
  if (error.starts_with('-')) {
    const size_t blank = error.find(' ');
    message = error.substr(blank == error.npos ? 1 : blank + 1);
    if (blank != error.npos) code = error.substr(1, blank - 1);
  }
  while (!message.empty() && (message.front() == '\r' || message.front() == '\n')) {
    message.remove_prefix(1);
  }
  message = WithoutEnds(message);
  lua_createtable(L, 0, 1);
  Push(L, code);
  lua_pushliteral(L, " ");
  Push(L, message);
  lua_concat(L, 3);
  lua_setfield(L, -2, "err");
}

}  // namespace onced::redis::lua

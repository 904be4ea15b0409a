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

// Writes what a script returns. One value may stand in a thousand places, so what is a few bytes in
// Lua can be without end as a reply.
class ReplyWriter {
 public:
  static constexpr size_t kBytesMax = size_t{64} << 20;

  // `protocol`: what the script speaks. `must_end` is asked every now and then.
  ReplyWriter(int protocol, Reply* reply, bool (*must_end)(void* data), void* data)
      : protocol_(protocol),
        reply_(reply),
        begin_(reply->out().size()),
        must_end_(must_end),
        data_(data) {}

  // The value on the stack's top, which is taken. May raise.
  void Write(lua_State* state);

  // It was given up: what was written is not whole.
  bool too_large() const { return too_large_; }
  bool ended() const { return ended_; }

 private:
  bool GoesOn();
  void WriteTable(lua_State* state);
  void WriteMap(lua_State* state);
  void WriteSet(lua_State* state);
  void WriteArray(lua_State* state);

  const int protocol_;
  Reply* const reply_;
  const size_t begin_;
  bool (*const must_end_)(void* data);
  void* const data_;
  size_t values_ = 0;
  bool too_large_ = false;
  bool ended_ = false;
};

// Pushes {err = "CODE message"} for an error as Redis writes it: "-CODE message", or a message
// alone, which gets the code ERR. May raise.
void PushError(lua_State* state, std::string_view error);

}  // namespace onced::redis::lua

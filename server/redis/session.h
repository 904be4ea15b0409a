// SPDX-License-Identifier: MIT
// Session: what one connection has said of itself: who it is, what it speaks, which database it has
// selected, and the transaction that it is in.
//
// Threads: the door's one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/token.h"
#include "server/redis/database.h"

namespace onced::redis {

struct Command;

// What a text that is kept takes, in bytes: a string, and where its letters are.
inline size_t KeptSize(std::string_view text) { return sizeof(std::string) + text.size() + 16; }

struct Queued {
  const Command* command = nullptr;
  std::vector<std::string> arguments;
};

struct Session {
  uint64_t id = 0;
  std::string address;        // HOST:PORT of the client
  std::string local_address;  // and ours
  int64_t since_ms = 0;
  int64_t last_command_ms = 0;
  const Command* last_command = nullptr;

  int protocol = 2;
  std::string name;
  std::string library_name;
  std::string library_version;
  bool no_evict = false;
  bool no_touch = false;

  std::string tenant;  // empty: not authenticated
  std::string user = "default";
  TokenDigest token{};  // that it has shown, if one is needed
  Selected db;

  // Replies that are not wanted: CLIENT REPLY.
  enum class Replies : uint8_t { kOn, kOff, kSkipNext, kSkip } replies = Replies::kOn;
  bool close = false;      // when what it has been answered is sent
  bool close_now = false;  // without that

  bool gone = false;    // its connection has ended, be it while its own script runs
  bool shaped = false;  // by a command of this turn: its database, its transaction, who it is
  bool in_multi = false;
  bool queue_failed = false;  // EXEC will be refused
  std::vector<Queued> queue;
  size_t queue_bytes = 0;

  struct Watched {
    Selected db;
    std::string key;
    bool was_there = false;
  };
  std::vector<Watched> watched;
  size_t watched_bytes = 0;
  bool touched = false;  // one of them has changed

  std::set<std::string, std::less<>> channels;  // that it listens to
  std::set<std::string, std::less<>> patterns;
  size_t listening_bytes = 0;
  bool listens() const { return !channels.empty() || !patterns.empty(); }
  // What it makes others keep for as long as it likes: what it waits to run, watches, listens to
  // and is called.
  size_t kept_bytes() const {
    return queue_bytes + watched_bytes + listening_bytes + name.capacity() + user.capacity() +
           library_name.capacity() + library_version.capacity();
  }

  std::string out;     // of this turn
  std::string pushes;  // by its own command; go before what that is answered
  size_t replies_in_turn = 0;
};

}  // namespace onced::redis

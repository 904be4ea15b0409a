// SPDX-License-Identifier: MIT
// Machine: a Lua 5.1 that runs scripts as Redis 7.0 does: in a sandbox, with a bound on its memory,
// and with a host that does what scripts ask for and may end them at any time.
//
// It knows no keyspace and no session; nothing of Lua is seen outside this folder.
//
// Threads: one at a time.
// Invariants: 1. Scripts see nothing of each other but what they do to the host and to the settings
// of cjson. 2. A script ends when the host says so, and its memory stays below kMemoryMax. Only
// what Lua does in one step is not interrupted: a string pattern made to search for ever does. So
// scripts are for those one trusts.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/redis/reply.h"

struct lua_State;

namespace onced::redis::lua {

using Arguments = std::span<const std::string_view>;

// What a script is kept under, and what it gets from redis.sha1hex.
std::string Sha1Hex(std::string_view text);

// What a script asks of who runs it.
class Host {
 public:
  virtual ~Host() = default;
  // Runs a command; its reply, in RESP 2 or 3, is put into `reply`.
  virtual void Run(Arguments arguments, int protocol, std::string* reply) = 0;
  virtual bool Has(std::string_view command) const = 0;
  // `level`: 0 debug, 1 verbose, 2 notice, 3 warning.
  virtual void Log(int level, std::string_view text) = 0;
  // Asked every now and then: why the script must end; empty: it need not.
  virtual std::string_view WhyEnd() = 0;
};

class Machine {
 public:
  static constexpr size_t kMemoryMax = size_t{64} << 20;
  static constexpr std::string_view kNoMemory = "not enough memory";  // as Lua says it

  // `version`: of Redis, as scripts are told it: "7.2.4".
  explicit Machine(std::string_view version);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Keeps a script under its SHA-1 in hex; what is wrong with it, or "".
  std::string Compile(const std::string& sha, std::string_view text);
  bool HasCompiled(const std::string& sha);
  void Forget(const std::string& sha);

  enum class Ended : uint8_t {
    kItself,  // and answered, be it with an error
    kByHost,
    kOutOfMemory,  // this machine must not be used again
  };
  // REQUIRES: HasCompiled(sha); `host` runs no script on this machine. Appends one answer to
  // `reply`.
  Ended Run(const std::string& sha, Arguments keys, Arguments arguments, Host* host, Reply* reply);

 private:
  struct Task;
  struct State;
  static int RunTask(lua_State* lua);

  const std::unique_ptr<State> state_;
};

}  // namespace onced::redis::lua

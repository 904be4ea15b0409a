// SPDX-License-Identifier: MIT
// What the tests of the Redis door are made with: a client that sees every byte of every reply,
// onced with its Redis door open, and Debian's redis-server, which is the oracle.
//
// Threads: a RespClient belongs to one at a time; servers are started on the main thread.
// Invariants: every wait has a bound; no process and no folder outlives its object.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/program.h"
#include "tests/tenants.h"

namespace onced {

using Words = std::vector<std::string>;

// A command as a RESP array.
std::string Resp(const Words& words);
// The bytes of the first whole reply in `bytes`; 0: it is not whole yet.
size_t ReplySize(std::string_view bytes);
// The value of a field in a map, as RESP2 has it: a string or a number. Where there is none: that,
// in parentheses.
std::string FieldOf(const std::string& reply, const std::string& name);
// Bytes as a C++ literal would have them, for messages.
std::string Shown(std::string_view bytes);

class RespClient {
 public:
  explicit RespClient(uint16_t port) : client_(port) {}

  bool Send(const Words& words) { return client_.Send(Resp(words)); }
  bool SendBytes(std::string_view bytes) { return client_.Send(bytes); }
  // The bytes of one reply; what came instead when none does.
  std::string Receive();
  std::string Ask(const Words& words);
  // A line, as redis-cli takes it: words, quoted where they must be.
  std::string Ask(const std::string& line);
  bool SeesEnd() { return in_.empty() && client_.SeesEnd(); }
  void HangUp() { client_.HangUp(); }

 private:
  Client client_;
  std::string in_;
};

// onced with a Redis door on a free port.
struct RedisInAFolder {
  explicit RedisInAFolder(const Words& more = {});
  RespClient Connect() const { return RespClient(port); }
  // `kill -9`, and the program again on the same data.
  void Crash();
  void StartAgain();  // on the same data, when it has ended

  TempFolder folder;
  Words flags;
  std::unique_ptr<Program> program;
  uint16_t port = 0;
};

// The same, for two tenants: the tokens are shop-1 and bank.
struct GuardedRedis {
  TempFolder folder;
  RedisInAFolder here{{"--tokens", PutTokens(folder, Tenant("shop", Role::kApp, {"shop-1"}) +
                                                         Tenant("bank", Role::kApp, {"bank"}))}};
};

// The port that the banner tells; 0 when it tells none.
uint16_t RedisPortOf(const Program& program);

// Debian's redis-server, without persistence.
class RedisServer {
 public:
  static bool IsInstalled();
  RedisServer();
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  uint16_t port() const { return port_; }

 private:
  TempFolder folder_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace onced

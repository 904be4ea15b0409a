// SPDX-License-Identifier: MIT
// RedisDoor: a port that speaks RESP, and the one thread behind it, on which every command runs.
//
// The commands that are ready on all connections are a turn: they are run one after the other, what
// they change reaches the disk in one write, and their answers leave when that is as durable as was
// promised, while the next turn runs. So commands, transactions and scripts are atomic, and an
// fsync is shared by whoever came meanwhile.
//
// Threads: Start, Stop and the destructor from one; the rest from any.
// Invariants: 1. No answer leaves before what it tells is durable, as the mode promises. 2. Answers
// of one connection leave in the order of its commands. 3. When a turn cannot be committed, every
// answer of it is an error. 4. What connections keep in memory is bounded, for all of them
// together.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/keyspace.h"
#include "engine/status.h"
#include "server/access/token.h"
#include "server/operations/log_event.h"
#include "server/redis/ledger_commands.h"
#include "server/wire/port.h"

namespace onced {

namespace wire {
class TlsCredentials;
}

struct RedisDoorOptions {
  Keyspace* keyspace = nullptr;  // nobody else's
  redis::LedgerParts ledger;     // of the same store
  // See CommitGate.
  std::function<bool(uint64_t sequence)> is_durable;
  std::function<void(uint64_t sequence, std::function<void()> pass)> when_durable;
  std::shared_ptr<wire::TlsCredentials> tls;  // absent: plain
  // The tenant of a token, "" for nobody's; absent: no token is needed.
  std::function<std::string(std::string_view user, std::string_view token)> authenticate;
  // Whether it is still that tenant's; asked of every session by JudgeTokens.
  std::function<bool(const std::string& tenant, const TokenDigest& token)> still_admits;
  size_t connections_max = 10'000;
  // Bytes that all connections together keep of what they read and are answered. Beyond it those
  // that keep most are closed, as Redis does with maxmemory-clients. One argument and one answer
  // are at most a quarter of it, and 64 MiB.
  size_t memory_max = size_t{256} << 20;
  std::string version;
  std::string durability;
  bool scripts = true;  // may be run
  Report report;
};

class RedisDoor {
 public:
  static Result<std::unique_ptr<RedisDoor>> Start(RedisDoorOptions options,
                                                  std::unique_ptr<wire::Port> port);
  ~RedisDoor();
  RedisDoor(const RedisDoor&) = delete;
  RedisDoor& operator=(const RedisDoor&) = delete;

  uint16_t port() const;
  size_t connections() const;  // open now
  // The tokens have changed: sessions that came in by one that is no longer taken are closed.
  void JudgeTokens();
  // Takes no more commands, and ends when what was run has been answered, or `patience` is over.
  // False: the storage holds its thread up; then this must not be destroyed.
  bool Stop(std::chrono::milliseconds patience);

 private:
  class Impl;
  explicit RedisDoor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  const std::shared_ptr<Impl> impl_;
};

}  // namespace onced

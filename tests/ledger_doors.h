// SPDX-License-Identifier: MIT
// The doors of the ledger, as LedgerCaller uses them: the engine's calls, the HTTP API, and the
// ONCED.* commands at the Redis door.
//
// Threads: one each.
// Invariants: whatever a door may say that is no answer to the call (a fault, a reset, the end of
// the program) is told as none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/ledger.h"
#include "tests/ledger_caller.h"
#include "tests/redis.h"

namespace onced {

class EngineDoor : public LedgerDoor {
 public:
  explicit EngineDoor(Ledger* ledger) : ledger_(ledger) {}
  bool Ask(const std::string& key, Call& call) override;

 private:
  Ledger* const ledger_;
};

class HttpLedgerDoor : public LedgerDoor {
 public:
  explicit HttpLedgerDoor(Client client) : client_(std::move(client)) {}
  bool Ask(const std::string& key, Call& call) override;

 private:
  Client client_;
};

class RedisLedgerDoor : public LedgerDoor {
 public:
  explicit RedisLedgerDoor(uint16_t port) : client_(port) {}
  bool Ask(const std::string& key, Call& call) override;

 private:
  RespClient client_;
};

}  // namespace onced

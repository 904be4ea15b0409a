// SPDX-License-Identifier: MIT
// LedgerCommands: the ledger of the API as commands: claim, complete, release, renew, get. What
// they come to is told as a map, never as an error; errors are for what was asked wrongly or could
// not be done.
//
// Threads: the door's one. No command waits: not for a run to end, not for a stalled store.
// Invariants: 1. The turn's keys are written before a command of the ledger runs, so that an answer
// of it is never older than what was answered before. 2. Not in transactions, not in scripts: the
// ledger's write is its own.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/ledger.h"
#include "engine/limits.h"
#include "server/operations/tally.h"

namespace onced {
class Doorkeeper;
class KeyQuota;
}  // namespace onced

namespace onced::redis {

// What the faults of the storage are told as, here and by the turn.
constexpr std::string_view kUnknownWrite =
    "MISCONF Errors writing to the log: whether this was written is not known";
constexpr std::string_view kUnreadable =
    "MISCONF Errors reading what is stored: nothing of this was written";

struct LedgerParts {
  Ledger* ledger = nullptr;                // one that does not wait at the gate
  const Doorkeeper* doorkeeper = nullptr;  // with `quota`
  KeyQuota* quota = nullptr;
  int64_t lease_ms = kLeaseDefaultMs;  // where a claim says none
  int64_t retention_ms = kRetentionDefaultMs;
  Tally* tally = nullptr;  // may be absent
};

}  // namespace onced::redis

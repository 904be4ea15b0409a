// SPDX-License-Identifier: MIT
// CommandBody: from the fields of a JSON body to a key and a command of the ledger. The same reader
// serves a call of its own and an entry of a batch.
//
// Threads: pure functions.
// Invariants: what comes out has passed every limit of limits.h; what does not names the field, and
// nothing was done. In the scopes of the gateway nothing is claimed, and nothing is completed but
// with an answer that it can replay.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/ledger.h"
#include "engine/status.h"
#include "server/http/fields.h"

namespace onced {

// The depth a `result` may have, plus what stands around it in a call and in a batch.
constexpr JsonRules kCallRules{.envelope = 1};
constexpr JsonRules kBatchRules{.envelope = 3};

struct CommandDefaults {
  int64_t lease_ms = kLeaseDefaultMs;
  int64_t retention_ms = kRetentionDefaultMs;
};

struct CommandBody {
  Operation operation;
  int64_t wait_ms = 0;  // of a claim
};

// `tenant`: the caller's own; a resolve, which only an admin may send, can name another. `verb` is
// claim, complete, release, renew, mark-unknown or resolve. With `in_batch` a claim has
// no wait_ms, and the field `op` is taken as read.
Result<CommandBody> ReadCommand(std::string_view verb, std::string_view tenant, Fields& fields,
                                const CommandDefaults& defaults, bool in_batch);

}  // namespace onced

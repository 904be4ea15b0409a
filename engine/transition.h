// SPDX-License-Identifier: MIT
// The heart: what a command does to a key. Decide() is a pure function from (record or none,
// command, moment) to (outcome, next record, ended run). Everything that must never go wrong is
// decided here; everything else only carries it out.
//
// It refuses to do I/O, to take a lock and to read a clock: the moment is an argument. So a second
// store needs no second state machine, and every row of the table can be tested by itself.
//
// Threads: pure; callable from any thread.
// Invariants: 1. At most one claim of a key is in flight. 2. A completed record is never changed by
// anything but its own death or Forget. 3. Fingerprints are compared before anything else, and a
// conflict changes nothing. 4. A fence that is not the record's own changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/record.h"
#include "engine/run.h"

namespace onced {

// Win the right to run. `claim_id` makes the claim itself safe to retry.
struct ClaimCommand {
  std::string fingerprint;
  int64_t lease_ms = 0;
  int64_t retention_ms = 0;
  OnLapse on_lapse = OnLapse::kRetry;
  std::string claim_id;
  std::string holder;
  // The run lives in this process and ends with it: a store that knows when its process began says
  // `unknown` of it from the next start on, at once. REQUIRES: on_lapse is kUnknown.
  bool local = false;
};
// End the run that owns `fence` with its result. Also good after a lapse nobody has retaken.
struct CompleteCommand {
  uint64_t fence = 0;
  std::optional<std::string> result;
  std::optional<int64_t> retention_ms;  // absent: the claim's
};
// Store a result nobody has claimed: a one-shot completion.
struct CompleteUnclaimedCommand {
  std::string fingerprint;
  std::optional<std::string> result;
  int64_t retention_ms = 0;
};
// Give the key back: nothing was done.
struct ReleaseCommand {
  uint64_t fence = 0;
};
struct RenewCommand {
  uint64_t fence = 0;
  int64_t lease_ms = 0;
};
// The work may or may not have happened.
struct MarkUnknownCommand {
  uint64_t fence = 0;
};
// An operator's decision on an unknown or lapsed run.
struct ResolveCommand {
  bool completed = false;  // otherwise released
  std::optional<std::string> result;
};
// An operator's order to drop the record whatever it says; a live lease only with `force`.
struct ForgetCommand {
  bool force = false;
};
using Command =
    std::variant<ClaimCommand, CompleteCommand, CompleteUnclaimedCommand, ReleaseCommand,
                 RenewCommand, MarkUnknownCommand, ResolveCommand, ForgetCommand>;

enum class Outcome {
  kClaimed,
  kReplay,    // completed: the stored result, again
  kConflict,  // another fingerprint under this key
  kInFlight,  // somebody holds the lease
  kUnknown,   // the outcome of the run cannot be known
  kCompleted,
  kReleased,
  kRenewed,
  kMarkedUnknown,
  kStale,  // the fence is not the newest claim's, or that claim has ended
  kResolved,
  kNotResolvable,
  kForgotten,
  kNotFound,
};

enum class Write { kNothing, kPut, kErase };

// Who of a key's waiters is woken, after the change is applied. kOldest: the oldest that means to
// claim. kFreed: that one, and all who only watch, for the run they watch has ended.
enum class Wake { kNobody, kOldest, kFreed, kAll };

// When and as whom a command is judged.
struct Moment {
  int64_t now_ms = 0;
  uint64_t fresh_fence = 0;   // newer than any fence of this key; 0 for commands that need none
  bool first_in_line = true;  // false: an older waiter has the right to a lapsed key
  int64_t unknown_retention_ms = 0;
};

struct Decision {
  Outcome outcome;
  Write write = Write::kNothing;
  std::optional<Record> record;  // as it is after the command; what there was, when nothing changed
  std::vector<Run> ended;        // the audit rows to write with it
  Wake wake = Wake::kNobody;
};

// `current` may be dead; it then counts as absent.
Decision Decide(std::optional<Record> current, const Command& command, const Moment& moment);
// The same, for the command that nearly all calls are, without making a Command of it.
Decision Decide(std::optional<Record> current, const ClaimCommand& claim, const Moment& moment);

}  // namespace onced

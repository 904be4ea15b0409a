// SPDX-License-Identifier: MIT
// KeyModel: what may become of one key, as a caller can know it, written from FORMAT.md's table and
// not from engine/transition.cc, which it judges. Time is an interval, for a caller sees only when
// a call began and ended; so a lease may have lapsed, must have, or cannot have, and each of these
// is a state of its own that the key may be in.
//
// Threads: pure functions on values.
// Invariants: 1. A step that Decide() can take is never refused. 2. A claim's fence is above every
// fence of the key that was ever told. 3. A claim nobody was told of has a fence nobody knows: 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/call_history.h"

namespace onced {

// How far the caller's clock may be from the ledger's; and how late an end may be noticed. Late by
// a second proves that much less of a lease: only histories of the engine itself, whose clock is
// the test's, are judged with neither (checked_engine_test.cc).
struct Slack {
  int64_t early_ms = 3;
  int64_t late_ms = 1'000;
};

// The ledger's moment was somewhere in here.
struct Span {
  int64_t from = 0;
  int64_t to = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

struct KeyState {
  enum class Kind : uint8_t { kAbsent, kInFlight, kCompleted, kUnknown };
  Kind kind = Kind::kAbsent;
  bool unknown_on_lapse = false;
  uint64_t fence = 0;
  uint64_t newest = 0;  // of all fences that were told; outlives the record
  uint64_t fingerprint = 0;
  uint64_t claim_id = 0;
  uint64_t result = 0;
  uint64_t hung_up = 0;  // of its claim
  int64_t retention_ms = 0;
  Span lease_until;
  Span dead_at;
  int64_t since_ms = 0;  // it has not been so before

  friend bool operator==(const KeyState&, const KeyState&) = default;
};
std::string Text(const KeyState& state);

// The states in which the key may be after `call`, done by `by_ms`, when it was in `state` before,
// among them `state` itself; none: this answer cannot be. Of a call without an answer: those that
// differ.
std::vector<KeyState> After(const KeyState& state, const Call& call, int64_t by_ms,
                            const Slack& slack);

}  // namespace onced

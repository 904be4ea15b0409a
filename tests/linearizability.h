// SPDX-License-Identifier: MIT
// Linearizability: whether what callers were told about one key can be told of one after the other:
// for each call a moment between its beginning and its end, such that every answer is what the
// calls before it make it. The states and rules are written afresh from FORMAT.md, "states", and
// call nothing of the engine; the search is Wing and Gong's, with Lowe's memory of what was tried.
//
// Keys are independent, so each is checked by itself. A call that was not answered may have
// happened at any time from its beginning on, or never. A lease may be found lapsed from its length
// after the call that began it, and must be from its length, and `kSlackNs`, after that call's end.
//
// Threads: free functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace onced {

// One call on one key, and what it was told.
struct Call {
  enum class Kind : uint8_t { kClaim, kComplete, kRenew, kRelease, kFind };
  enum class Told : uint8_t {
    kNothing,   // no answer, or one that leaves it open
    kDone,      // claimed (with `fence`), completed, renewed, released
    kInFlight,  // to a claim or a find; to a find with `fence`, where it is shown
    kReplay,    // to a claim; to a find: it is completed. With `result`
    kConflict,
    kStale,
    kAbsent,  // to a find
  };
  static constexpr int64_t kNever = INT64_MAX;

  Kind kind = Kind::kFind;
  Told told = Told::kNothing;
  uint64_t fence = 0;        // that it showed, or was told
  uint64_t fingerprint = 0;  // of a claim
  uint64_t result = 0;       // that it brought, or was told
  int64_t lease_ns = 0;      // that it asked for
  int64_t begun_ns = 0;
  int64_t ended_ns = kNever;  // of an answer
};

constexpr int64_t kSlackNs = 1'000'000'000;

// nullopt: it can be. Otherwise why not: the calls that cannot be put in order, the latest last.
std::optional<std::string> Refuted(std::vector<Call> calls);

std::string Text(const Call& call);

}  // namespace onced

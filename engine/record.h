// SPDX-License-Identifier: MIT
// Record: what is stored under a Key, and its bytes on disk (FORMAT.md, "record").
//
// A key without a record, or with a dead one, is absent. Everything else a record can be is one of
// three states: in flight, completed, unknown.
//
// Threads: values; nothing shared.
// Invariants: 1. DeadAtMs() is the only source of a record's end of life, and IsDead() the only
// judge of it, for readers and for the TTL filter alike. 2. The time of death stands at a fixed
// offset in every stored value, so that the filter reads it without decoding. 3. A live lease is
// never dead: in flight, a record dies at the lease's end plus its retention. 4. A local run dies
// at the lease's end plus the retention of unknown ones, whether its process is gone or not.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "engine/status.h"

namespace onced {

enum class State : uint8_t { kInFlight = 1, kCompleted = 2, kUnknown = 3 };

// What a lapsed lease means for the next claim. It belongs to the claim that set it.
enum class OnLapse : uint8_t { kRetry = 0, kUnknown = 1 };

constexpr int64_t kNeverMs = std::numeric_limits<int64_t>::max();

struct Record {
  State state = State::kInFlight;
  OnLapse on_lapse = OnLapse::kRetry;
  bool resolved = false;  // completed by an operator's decision
  // The run lives in the process that claimed it, and ends with it. Never completed; unknown only
  // as the store judges it (orphan.h). On lapse it is unknown.
  bool local = false;
  uint32_t attempt = 1;
  uint64_t fence = 0;
  int64_t claimed_at_ms = 0;
  int64_t lease_until_ms = 0;
  int64_t retention_ms = 0;          // of the result; in flight, of the claim
  int64_t unknown_retention_ms = 0;  // 0: an unknown record, or a local run, never dies
  int64_t unknown_at_ms = 0;         // 0: was never unknown
  int64_t completed_at_ms = 0;       // 0: is not completed
  std::string fingerprint;           // up to 128 bytes; empty when the caller gave none
  std::string claim_id;              // up to 64 bytes
  std::string holder;                // up to 128 bytes
  std::optional<std::string> result;

  bool LeaseIsLive(int64_t now_ms) const {
    return state == State::kInFlight && now_ms < lease_until_ms;
  }
  bool Lapsed(int64_t now_ms) const {
    return state == State::kInFlight && now_ms >= lease_until_ms;
  }
  // The first moment at which this record counts as absent.
  int64_t DeadAtMs() const;

  std::string Encode() const;
  // Corruption when the bytes are not a record of a known version.
  static Result<Record> Decode(std::string_view bytes);

  friend bool operator==(const Record&, const Record&) = default;
};

constexpr bool IsDead(int64_t dead_at_ms, int64_t now_ms) { return now_ms >= dead_at_ms; }

// The time of death of any stored value (record or run) that carries one, without decoding the
// rest. nullopt when the bytes are of a version this program does not know: it must keep those.
std::optional<int64_t> StoredDeadAtMs(std::string_view bytes);

// Shared head of every such value: version, kind, flags, time of death.
constexpr uint8_t kFormatVersion = 1;
constexpr size_t kDeadAtOffset = 4;

}  // namespace onced

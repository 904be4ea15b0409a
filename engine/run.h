// SPDX-License-Identifier: MIT
// Run: the story of one attempt at a key, from its claim to its end; the audit trail is made of
// them. One run is one row, written in the same batch as the write that ends it; the run that is
// still open is read off the record.
//
// Threads: values; nothing shared.
// Invariants: events stand in the order in which they happened; a row is keyed by its fence, so a
// key's rows in key order are its history in time order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/record.h"
#include "engine/status.h"

namespace onced {

enum class EventType : uint8_t {
  kClaimed = 1,
  kLapsed,  // the lease ran out
  kCompleted,
  kReleased,
  kRetaken,  // another claim took the key over after the lapse
  kMarkedUnknown,
  kResolved,
  kForgotten,
};

struct RunEvent {
  EventType type;
  int64_t at_ms;
  friend bool operator==(const RunEvent&, const RunEvent&) = default;
};

struct Run {
  uint64_t fence = 0;
  uint32_t attempt = 1;
  std::string holder;
  std::vector<RunEvent> events;

  // What the record tells of its run so far, as seen at `now_ms`.
  static Run Of(const Record& record, int64_t now_ms);

  // `dead_at_ms`: when the row itself may go. The fence is not in the bytes: it is in the row's
  // key.
  std::string Encode(int64_t dead_at_ms) const;
  static Result<Run> Decode(std::string_view bytes, uint64_t fence);

  friend bool operator==(const Run&, const Run&) = default;
};

}  // namespace onced

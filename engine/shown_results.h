// SPDX-License-Identifier: MIT
// ShownResults: keeps what a batch shows, and so holds in memory, within bounds: it shows the
// results that it replays, as many as fit into kBatchResultBytesMax, and no others.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/limits.h"
#include "engine/store.h"

namespace onced {

class ShownResults {
 public:
  void LeaveOutOf(Applied& applied) {
    std::optional<Record>& record = applied.decision.record;
    if (!record.has_value() || !record->result.has_value()) return;
    const bool shown = applied.decision.outcome == Outcome::kReplay;
    if (shown && bytes_ + record->result->size() <= kBatchResultBytesMax) {
      bytes_ += record->result->size();
      return;
    }
    record->result.reset();
    applied.result_left_out = shown;
  }

 private:
  size_t bytes_ = 0;
};

}  // namespace onced

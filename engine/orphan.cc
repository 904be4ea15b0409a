// SPDX-License-Identifier: MIT
#include "engine/orphan.h"

#include <algorithm>

namespace onced {

bool IsOrphan(const Record& record, const ProcessStart& start) {
  return record.local && record.state == State::kInFlight && record.fence < start.first_fence;
}

Record Judged(Record record, const ProcessStart& start) {
  if (!IsOrphan(record, start)) return record;
  // A clock that an operator has set back does not make a run end before it began.
  const int64_t opened_ms = std::max(start.opened_ms, record.claimed_at_ms);
  record.state = State::kUnknown;
  record.unknown_at_ms = std::min(record.lease_until_ms, opened_ms);
  return record;
}

}  // namespace onced

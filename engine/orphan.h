// SPDX-License-Identifier: MIT
// Orphan: a local run whose process is gone. Nobody will end it, and whether its work was done
// nobody can know: it is `unknown` from the moment this process opened the store, or from its
// lease's end if that came first. It is not written down so; a store judges every record it loads.
//
// It is a rule of the store and not of Decide(), which knows no processes: only a store with one
// process at a time can tell an old fence from a living one's. A store that many share judges
// local runs by their lease alone.
//
// Threads: pure; callable from any thread.
// Invariants: 1. While its own process lives, a run is no orphan, whatever its lease says. 2. The
// judgement never moves a record's time of death, and changes nothing but in-flight records.
#pragma once

#include <cstdint>

#include "engine/record.h"

namespace onced {

// When this process began to give out fences.
struct ProcessStart {
  uint64_t first_fence = 0;
  int64_t opened_ms = 0;
};

bool IsOrphan(const Record& record, const ProcessStart& start);

// The record as it is to this process.
Record Judged(Record record, const ProcessStart& start);

}  // namespace onced

// SPDX-License-Identifier: MIT
// StorageFigures: what there is to be seen of whatever the doors stand on.
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "engine/store_figures.h"

namespace onced {

// Of one in a database, as its looks have noted it.
struct DatabaseFigures {
  bool failed = false;  // the last look
  std::chrono::milliseconds since_answer{0};
  uint64_t looks_failed = 0;
  DurationCounts looks;  // that did not fail: how long each took

  bool answers() const { return !failed && since_answer < std::chrono::seconds(5); }
};

struct StorageFigures {
  uint64_t waiters = 0;  // callers in line in this process
  std::optional<DatabaseFigures> database;
  std::optional<StoreFigures> files;  // of a store that is files of this machine
};

}  // namespace onced

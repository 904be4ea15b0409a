// SPDX-License-Identifier: MIT
// StorageFigures: what there is to be seen of whatever the doors stand on.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/store_figures.h"

namespace onced {

struct StorageFigures {
  uint64_t waiters = 0;               // callers in line in this process
  std::optional<StoreFigures> files;  // of a store that is files of this machine
};

}  // namespace onced

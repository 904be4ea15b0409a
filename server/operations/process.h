// SPDX-License-Identifier: MIT
// Process: what the system says of this process (proc(5)).
//
// Threads: any.
#pragma once

#include <cstdint>

namespace onced {

struct ProcessFigures {
  double cpu_s = 0;
  uint64_t resident_bytes = 0;
  uint64_t open_files = 0;
  uint64_t open_files_max = 0;
  double started_unix_s = 0;
};
// What cannot be read is 0.
ProcessFigures ReadProcess();

}  // namespace onced

// SPDX-License-Identifier: MIT
// WallTime: the time of day as this machine has it, for what is told to people and for names.
// Nothing is judged by it: it jumps, and the engine's own clock does not.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>

namespace onced::wire {

// Microseconds since 1970.
inline int64_t UnixUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// FaultPlan: what befalls the program under torture, and when, decided by a seed.
//
// Threads: pure.
// Invariants: 1. The same seed makes the same plan. 2. They come in rounds: each kind once in each,
// so a minute has them all. 3. The power is cut only in sync mode: the others do not promise to
// outlive it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onced {

enum class FaultKind { kKill, kFreeze, kZombies, kCut, kFull, kClock };
constexpr size_t kFaults = 6;

struct Planned {
  std::chrono::milliseconds pause;  // before it
  FaultKind fault;
  std::chrono::milliseconds lasts;  // of a freeze, of a full disk
  const char* mode;                 // after a kill or a cut
  const char* offset;               // of the wall clock; never as it was before
};

std::vector<Planned> PlanFaults(uint64_t seed, std::chrono::milliseconds time);

std::string Text(const Planned& planned);
// As they are counted: "pauses past the lease".
const char* NameOf(FaultKind fault);

}  // namespace onced

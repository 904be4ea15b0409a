// SPDX-License-Identifier: MIT
// The part of redis_bench about many keys: what memory they take, and how soon a server that was
// stopped or killed answers again.
//
// Threads: use from one.
#pragma once

#include <cstdint>

#include "bench/comparison.h"

namespace onced::bench {

// Loads `keys` keys of 100 bytes each into both sides, durability interval and everysec, and prints
// the rows keys-memory, keys-stopped and keys-killed.
void CompareKeys(const Rounds& rounds, int64_t keys);

}  // namespace onced::bench

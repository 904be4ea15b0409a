// SPDX-License-Identifier: MIT
// The part of redis_bench about many keys: what memory they take, and how soon a server that was
// stopped or killed answers again.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <string>

#include "bench/comparison.h"

namespace onced::bench {

// Loads so many, 100 bytes each, into both sides, durability interval and everysec, and into a
// third: onced within the 256 MiB of --footprint edge. Prints the rows keys-...: all of them, when
// one is wanted.
void CompareKeys(const Rounds& rounds, int64_t keys);

}  // namespace onced::bench

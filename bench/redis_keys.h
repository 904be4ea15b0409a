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

struct KeysOptions {
  int64_t keys = 1'000'000;
  std::string footprint = "server";  // of onced
};

// Loads them, 100 bytes each, into both sides, durability interval and everysec, and prints the
// rows keys-...: all of them, when one is wanted.
void CompareKeys(const Rounds& rounds, const KeysOptions& options);

}  // namespace onced::bench

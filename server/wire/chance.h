// SPDX-License-Identifier: MIT
// Chance: random numbers for names that must not collide, at a few nanoseconds each. Not for
// secrets: who sees some of them may know the next.
//
// Threads: any; each has a state of its own (xoshiro256**, Blackman and Vigna 2018), which OpenSSL
// has seeded, so no call enters the kernel but a thread's first.
#pragma once

#include <cstdint>

namespace onced::wire {

uint64_t Chance();
// `digits` (1..16) of `number`, the lowest ones, as lower-case hexadecimal digits to `out`.
void PutHex(uint64_t number, int digits, char* out);

}  // namespace onced::wire

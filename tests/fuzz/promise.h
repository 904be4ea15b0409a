// SPDX-License-Identifier: MIT
// Promise: what must hold whatever the bytes are. A fuzzer keeps the input that breaks one.
//
// Threads: from any.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace onced {

inline void Promise(bool holds, const char* what, const std::string& seen = "") {
  if (holds) return;
  std::fprintf(stderr, "it does not hold that %s: %s\n", what, seen.c_str());
  std::abort();
}

}  // namespace onced

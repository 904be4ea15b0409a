// SPDX-License-Identifier: MIT
// ONCED_CHECK: an assertion for our own bugs that stays on in Release.
//
// It guards what callers cannot influence: invariants, table consistency, lock witnesses. Input is
// never checked with it: bad input gets a Status or an outcome. A failed check prints the
// expression and aborts, because going on with a broken invariant could run a payment twice.
#pragma once

#include <cstdio>
#include <cstdlib>

#define ONCED_CHECK(condition)                                                           \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

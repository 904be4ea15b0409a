// SPDX-License-Identifier: MIT
// ThreadTurn: which of the threads this one is, by who asked first: threads are given shares in
// turn, so what a program of a few threads has to share is nothing.
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstddef>

namespace onced {

inline size_t ThreadTurn() {
  static std::atomic<size_t> next{0};
  thread_local const size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

}  // namespace onced

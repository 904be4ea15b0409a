// SPDX-License-Identifier: MIT
// WorkPool: the few threads on which a listener runs what may block, and the line before them,
// which can have an end. Whoever would begin something new is refused when the line is full; what
// ends something (a waiter leaves its line, a claim is undone) is always taken: there is no more of
// that than there was of the other. Nothing that runs here waits for something else that must still
// run here.
//
// Private to server/wire and to the .cc of others: includes Asio.
// Threads: Post and TryPost from any; the rest from one.
// Invariants: after Refuse nothing new is taken; what ends something still is, until Stop. What
// stood in line then goes, unrun, with the object.
#pragma once

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <cstddef>
#include <utility>

namespace onced::wire {

class WorkPool {
 public:
  WorkPool(size_t threads, size_t line_max) : line_max_(line_max), threads_(threads) {}
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  template <typename Task>
  void Post(Task task) {
    in_line_.fetch_add(1, std::memory_order_relaxed);
    PostCounted(std::move(task));
  }
  // False: the line is full.
  template <typename Task>
  bool TryPost(Task task) {
    if (in_line_.fetch_add(1, std::memory_order_relaxed) >= line_max_ || refuses_) {
      in_line_.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    PostCounted(std::move(task));
    return true;
  }

  // How many tasks run now.
  size_t running() const { return running_; }
  bool idle() const { return in_line_ == 0 && running_ == 0; }
  void Refuse() { refuses_ = true; }
  // What would begin something, and stood in line, asks this first.
  bool refuses() const { return refuses_; }
  void Stop() { threads_.stop(); }
  // REQUIRES: Stop was called.
  void Join() { threads_.join(); }

 private:
  template <typename Task>
  void PostCounted(Task task) {
    asio::post(threads_, [this, task = std::move(task)]() mutable {
      running_.fetch_add(1);
      in_line_.fetch_sub(1, std::memory_order_relaxed);
      task();
      running_.fetch_sub(1);
    });
  }

  const size_t line_max_;
  std::atomic<size_t> in_line_{0};
  std::atomic<size_t> running_{0};
  std::atomic<bool> refuses_{false};
  asio::thread_pool threads_;  // last: its end waits for what uses the above
};

}  // namespace onced::wire

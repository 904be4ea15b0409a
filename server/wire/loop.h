// SPDX-License-Identifier: MIT
// Loop: one thread's event loop, the connections that live on it, and the two things that other
// threads have for them: an answer may leave, a parked request may ask again.
//
// Both come in crowds: one fsync releases the answers of a hundred connections, the end of one run
// wakes a thousand. So they are gathered, and the loop is called once for as many as there are.
//
// Private to server/wire: includes Asio.
// Threads: Release and Wake from any; the rest on its own.
// Invariants: nothing is called with the mutex held.
#pragma once

#include <asio/io_context.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_set>
#include <vector>

#include "engine/mutex.h"
#include "server/wire/outbox.h"

namespace onced::wire {

class Connection;

class Loop : public std::enable_shared_from_this<Loop> {
 public:
  // Lets the answer leave; soon when the connection is still there.
  void Release(std::weak_ptr<Connection> connection, std::shared_ptr<Answer> answer)
      EXCLUDES(mutex_);
  // Has the connection ask again, soon. Also good when the connection is gone.
  void Wake(std::weak_ptr<Connection> connection, uint64_t request) EXCLUDES(mutex_);

  asio::io_context context{1};
  std::atomic<std::chrono::steady_clock::time_point> came_round{std::chrono::steady_clock::now()};
  bool is_door = false;  // must never be held up: handlers run on the pool, but for probes
  std::unordered_set<std::shared_ptr<Connection>> connections;

 private:
  struct Released {
    std::weak_ptr<Connection> connection;
    std::shared_ptr<Answer> answer;
  };
  struct Woken {
    std::weak_ptr<Connection> connection;
    uint64_t request;
  };
  void LetLeave() EXCLUDES(mutex_);
  void AskSomeAgain() EXCLUDES(mutex_);

  Mutex mutex_;
  std::vector<Released> released_ GUARDED_BY(mutex_);  // LetLeave is posted while there are any
  std::deque<Woken> woken_ GUARDED_BY(mutex_);
  bool asking_ GUARDED_BY(mutex_) = false;  // AskSomeAgain is posted, or runs
};

}  // namespace onced::wire

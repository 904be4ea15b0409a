// SPDX-License-Identifier: MIT
#include "server/wire/loop.h"

#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "server/wire/connection.h"

namespace onced::wire {
namespace {

constexpr std::chrono::microseconds kAskingTime{200};

}  // namespace

void Loop::Release(std::weak_ptr<Connection> connection, std::shared_ptr<Answer> answer) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = released_.empty();
    released_.push_back({.connection = std::move(connection), .answer = std::move(answer)});
  }
  if (first) asio::post(context, [self = shared_from_this()] { self->LetLeave(); });
}

void Loop::LetLeave() {
  std::vector<Released> released;
  {
    MutexLock lock(mutex_);
    released.swap(released_);
  }
  for (const Released& one : released) one.answer->ready = true;
  for (const Released& one : released) {
    if (const std::shared_ptr<Connection> connection = one.connection.lock()) connection->Flush();
  }
}

void Loop::Wake(std::weak_ptr<Connection> connection, uint64_t request) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = !std::exchange(asking_, true);
    woken_.push_back({.connection = std::move(connection), .request = request});
  }
  if (first) asio::post(context, [self = shared_from_this()] { self->AskSomeAgain(); });
}

// For a moment at a time: the end of one run may wake thousands, and who is not waiting for it must
// not have to wait for them. By the clock, for what an ask costs depends on what it finds. The next
// turn is posted first: one that throws must not be the last.
void Loop::AskSomeAgain() {
  {
    MutexLock lock(mutex_);
    asking_ = !woken_.empty();
    if (!asking_) return;
  }
  asio::post(context, [self = shared_from_this()] { self->AskSomeAgain(); });
  const auto until = std::chrono::steady_clock::now() + kAskingTime;
  do {
    Woken one;
    {
      MutexLock lock(mutex_);
      if (woken_.empty()) return;
      one = std::move(woken_.front());
      woken_.pop_front();
    }
    const std::shared_ptr<Connection> connection = one.connection.lock();
    if (connection != nullptr) connection->AskAgain(one.request);
  } while (std::chrono::steady_clock::now() < until);
}

}  // namespace onced::wire

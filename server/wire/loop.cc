// SPDX-License-Identifier: MIT
#include "server/wire/loop.h"

#include <array>
#include <asio/post.hpp>
#include <utility>

#include "server/wire/connection.h"

namespace onced::wire {
namespace {

constexpr size_t kAskedAtOnce = 16;

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
  MutexLock lock(mutex_);
  woken_.push_back({.connection = std::move(connection), .request = request});
  if (woken_.size() == 1)
    asio::post(context, [self = shared_from_this()] { self->AskSomeAgain(); });
}

// A few at a time: the end of one run may wake thousands, and who is not waiting for it must not
// have to wait for them.
void Loop::AskSomeAgain() {
  std::array<Woken, kAskedAtOnce> some;
  size_t count = 0;
  {
    MutexLock lock(mutex_);
    for (; count < some.size() && count < woken_.size(); ++count) some[count] = woken_[count];
  }
  for (size_t i = 0; i < count; ++i) {
    const std::shared_ptr<Connection> connection = some[i].connection.lock();
    if (connection != nullptr) connection->AskAgain(some[i].request);
  }
  MutexLock lock(mutex_);
  woken_.erase(woken_.begin(), woken_.begin() + static_cast<ptrdiff_t>(count));
  if (!woken_.empty()) {
    asio::post(context, [self = shared_from_this()] { self->AskSomeAgain(); });
  }
}

}  // namespace onced::wire

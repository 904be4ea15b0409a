// SPDX-License-Identifier: MIT
// TellingBox: where the upstreams' thread leaves what one client is told, and the client, who holds
// no thread, is woken to fetch it.
//
// Threads: every call from any.
// Invariants: 1. It is fetched once at most. 2. Nothing is called with the mutex held. 3. After
// Drop nobody is woken.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "engine/mutex.h"
#include "server/gateway/telling.h"

namespace onced {

class TellingBox {
 public:
  // What there is; nullopt when there is nothing yet: then `wake` is called once, when there is.
  std::optional<Telling> Fetch(std::function<void()> wake) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (telling_.has_value()) {
      closed_ = true;
      return std::exchange(telling_, std::nullopt);
    }
    wake_ = std::move(wake);
    return std::nullopt;
  }

  void Put(Telling telling) EXCLUDES(mutex_) {
    std::function<void()> wake;
    {
      MutexLock lock(mutex_);
      telling_ = std::move(telling);
      wake.swap(wake_);
    }
    if (wake) wake();
  }

  // Nobody will fetch it. False when somebody has, or it was said before.
  bool Drop() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (std::exchange(closed_, true)) return false;
    dropped_ = true;
    wake_ = nullptr;
    return true;
  }
  bool dropped() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return dropped_;
  }

 private:
  mutable Mutex mutex_;
  std::optional<Telling> telling_ GUARDED_BY(mutex_);
  std::function<void()> wake_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool dropped_ GUARDED_BY(mutex_) = false;
};

}  // namespace onced

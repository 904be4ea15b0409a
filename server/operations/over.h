// SPDX-License-Identifier: MIT
// Over: says once that something is over, to a thread that waits for it.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "engine/mutex.h"

namespace onced {

class Over {
 public:
  void Say() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    over_ = true;
    over_now_.NotifyAll();
  }
  // Whether it is; waits for that, for `patience` or for ever.
  bool Await(std::optional<std::chrono::milliseconds> patience) EXCLUDES(mutex_) {
    using std::chrono::milliseconds;
    using std::chrono::steady_clock;
    const auto until = steady_clock::now() + patience.value_or(milliseconds(0));
    MutexLock lock(mutex_);
    while (!over_) {
      if (!patience.has_value()) {
        over_now_.Wait(mutex_);
        continue;
      }
      const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
      if (left.count() <= 0) return false;
      over_now_.WaitFor(mutex_, left);
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar over_now_;
  bool over_ GUARDED_BY(mutex_) = false;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/operations/deadline.h"

#include <utility>

namespace onced {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Deadline::Deadline(milliseconds patience, std::function<void()> late)
    : thread_([this, until = steady_clock::now() + patience, late = std::move(late)] {
        {
          MutexLock lock(mutex_);
          while (!over_) {
            const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
            if (left.count() <= 0) break;
            over_now_.WaitFor(mutex_, left);
          }
          if (over_) return;
        }
        late();
      }) {}

Deadline::~Deadline() {
  {
    MutexLock lock(mutex_);
    over_ = true;
    over_now_.NotifyAll();
  }
  thread_.join();
}

}  // namespace onced

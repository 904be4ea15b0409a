// SPDX-License-Identifier: MIT
// Deadline: what is to happen if something is not over in time.
//
// Threads: made and destroyed on one; `late` is called on a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "engine/mutex.h"

namespace onced {

class Deadline {
 public:
  // `late`, unless this is gone by then. It should end the process.
  Deadline(std::chrono::milliseconds patience, std::function<void()> late);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  Mutex mutex_;
  CondVar over_now_;
  bool over_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace onced

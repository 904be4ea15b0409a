// SPDX-License-Identifier: MIT
// Deadline: what is to happen if something is not over in time.
//
// Threads: made and destroyed on one; `late` is called on a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "server/operations/over.h"

namespace onced {

class Deadline {
 public:
  // `late`, unless this is gone by then. It should end the process.
  Deadline(std::chrono::milliseconds patience, std::function<void()> late);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  Over over_;
  std::thread thread_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/operations/deadline.h"

#include <utility>

namespace onced {

Deadline::Deadline(std::chrono::milliseconds patience, std::function<void()> late)
    : thread_([this, patience, late = std::move(late)] {
        if (!over_.Await(patience)) late();
      }) {}

Deadline::~Deadline() {
  over_.Say();
  thread_.join();
}

}  // namespace onced

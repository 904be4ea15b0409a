// SPDX-License-Identifier: MIT
// Any program in a process of its own, with what it says and how it ends.
//
// Threads: all on the main thread (the kernel kills the program when the thread that started it
// ends). Invariants: neither it nor what it started outlives its object.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {

class Child {
 public:
  // The first of `args` is its path.
  explicit Child(std::vector<std::string> args);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Whether it has by now.
  bool Ended();
  // The exit code of one that has ended, or minus the signal.
  int code() const { return code_; }
  // On stdout and stderr, so far.
  std::string Said() const { return ReadFile(output_.path()); }

 private:
  TempFolder output_;
  const pid_t pid_;
  int code_ = 0;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// HeldStderr: stderr of the programs started while it lives is a file on a disk that hangs once
// Hold() was called: poll(2) says that there is room, and no write ends.
//
// Threads: the main thread.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/fixtures.h"

namespace onced {

class HeldStderr {
 public:
  HeldStderr() {
    setenv("LD_PRELOAD", ONCED_BROKEN_SYNC, 1);
    setenv("ONCED_HOLD_STDERR", folder_.path("hold").c_str(), 1);
    // ASan wants to be the first library; ours only stands in for single calls.
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
  }
  ~HeldStderr() {
    for (const char* name : {"LD_PRELOAD", "ONCED_HOLD_STDERR", "ASAN_OPTIONS"}) unsetenv(name);
  }
  HeldStderr(const HeldStderr&) = delete;
  HeldStderr& operator=(const HeldStderr&) = delete;

  void Hold() const {
    std::filesystem::create_directories(folder_.path());
    WriteFile(folder_.path("hold"), "");
  }
  void LetGo() const { std::filesystem::remove(folder_.path("hold")); }

 private:
  const TempFolder folder_;
};

}  // namespace onced

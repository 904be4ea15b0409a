// SPDX-License-Identifier: MIT
// HeldStderr: stderr of the programs started while it lives is a file on a disk that hangs once
// Hold() was called: poll(2) says that there is room, and no write ends.
//
// Threads: the main thread.
#pragma once

#include <filesystem>
#include <string>

#include "tests/fixtures.h"
#include "tests/preloaded.h"

namespace onced {

class HeldStderr {
 public:
  void Hold() const {
    std::filesystem::create_directories(folder_.path());
    WriteFile(folder_.path("hold"), "");
  }
  void LetGo() const { std::filesystem::remove(folder_.path("hold")); }

 private:
  const TempFolder folder_;
  const Preloaded preloaded_{{{"ONCED_HOLD_STDERR", folder_.path("hold")}}};
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Signals: what asks the process for something, taken by waiting, so that no handler ever
// interrupts anything.
//
// Threads: made on the main thread before there is another: threads inherit the mask.
#pragma once

#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>

namespace onced {

class Signals {
 public:
  // SIGTERM, SIGINT and SIGHUP, from now on; SIGPIPE is ignored.
  Signals();

  // The next one, or nullopt when none has come in this time.
  std::optional<int> Wait(std::chrono::milliseconds patience) const;

 private:
  sigset_t set_{};
};

// While a start or a stop takes its time, whoever asks for an end is heard: `cut` is called, on a
// thread of its own, and should end the process. A SIGHUP is heard when this is over.
class Impatience {
 public:
  Impatience(const Signals* signals, std::function<void()> cut);
  ~Impatience();
  Impatience(const Impatience&) = delete;
  Impatience& operator=(const Impatience&) = delete;

 private:
  std::atomic<bool> over_{false};
  bool hung_up_ = false;  // the thread's
  std::thread thread_;
};

}  // namespace onced

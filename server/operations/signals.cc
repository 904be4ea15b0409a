// SPDX-License-Identifier: MIT
#include "server/operations/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <ctime>
#include <utility>

namespace onced {

Signals::Signals() {
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

std::optional<int> Signals::Wait(std::chrono::milliseconds patience) const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
  const timespec time{.tv_sec = seconds.count(),
                      .tv_nsec = std::chrono::nanoseconds(patience - seconds).count()};
  const int number = sigtimedwait(&set_, nullptr, &time);
  return number > 0 ? std::optional(number) : std::nullopt;
}

Impatience::Impatience(const Signals* signals, std::function<void()> cut)
    : thread_([this, signals, cut = std::move(cut)] {
        constexpr std::chrono::milliseconds kLook{5};
        while (!over_) {
          const std::optional<int> number = signals->Wait(kLook);
          if (number == SIGHUP) hung_up_ = true;
          if (number.has_value() && *number != SIGHUP) cut();
        }
      }) {}

Impatience::~Impatience() {
  over_ = true;
  thread_.join();
  if (hung_up_) kill(getpid(), SIGHUP);
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// Rounds: a thread that does one job again and again, a pause apart, until it is destroyed.
//
// Threads: made and destroyed by one thread; the job runs on its own.
// Invariants: the job is never under way after the destructor has returned.
#pragma once

#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "engine/mutex.h"

namespace onced {

class Rounds {
 public:
  Rounds(std::chrono::milliseconds pause, std::function<void()> job)
      : pause_(pause), job_(std::move(job)), thread_([this] { Run(); }) {}
  ~Rounds() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      stop_.NotifyOne();
    }
    thread_.join();
  }
  Rounds(const Rounds&) = delete;
  Rounds& operator=(const Rounds&) = delete;

 private:
  void Run() {
    while (!Pause()) job_();
  }
  bool Pause() {  // true: time to stop
    MutexLock lock(mutex_);
    while (!stopping_ && stop_.WaitFor(mutex_, pause_)) {
    }
    return stopping_;
  }

  const std::chrono::milliseconds pause_;
  const std::function<void()> job_;
  Mutex mutex_;
  CondVar stop_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace onced

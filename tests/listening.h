// SPDX-License-Identifier: MIT
// A listener in the test's own process: what its handlers do, and a gate that the test opens.
//
// Threads: HeldGate from any; the rest makes values.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "engine/mutex.h"
#include "server/wire/listener.h"
#include "tests/program.h"

namespace onced {

using ServeFunction = std::function<void(httplib::Response&, wire::Exchange&)>;

// A gate that lets answers go when it is told to.
class HeldGate {
 public:
  void Hold(std::function<void()> pass) {
    MutexLock lock(mutex_);
    held_.push_back(std::move(pass));
  }
  size_t held() {
    MutexLock lock(mutex_);
    return held_.size();
  }
  void PassFirst() { Pass(/*first=*/true); }
  void PassLast() { Pass(/*first=*/false); }

 private:
  void Pass(bool first) {
    std::function<void()> pass;
    {
      MutexLock lock(mutex_);
      pass = std::move(first ? held_.front() : held_.back());
      first ? held_.pop_front() : held_.pop_back();
    }
    pass();
  }
  Mutex mutex_;
  std::deque<std::function<void()>> held_ GUARDED_BY(mutex_);
};

// The path of the request, back, and then its body.
void Echo(httplib::Response& response, wire::Exchange& exchange);

// Answers are durable at once; what begins with /blocks blocks.
wire::ListenerOptions OptionsFor(ServeFunction serve);
std::unique_ptr<wire::Listener> Listen(wire::ListenerOptions options);
std::unique_ptr<wire::Listener> Listen(ServeFunction serve);

std::string Get(const std::string& target);

}  // namespace onced

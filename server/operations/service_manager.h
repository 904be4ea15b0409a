// SPDX-License-Identifier: MIT
// ServiceManager: tells systemd how the service is (sd_notify(3)), and hears how often it wants to
// be told that the service lives. Without one, every call does nothing.
//
// Threads: any. Invariants: nothing here blocks, or fails: a manager that does not listen is none.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "server/operations/over.h"

namespace onced {

class ServiceManager {
 public:
  // Of $NOTIFY_SOCKET and $WATCHDOG_USEC.
  ServiceManager();

  // `state`: lines of VARIABLE=value.
  void Tell(const std::string& state) const;

  // How often the manager is to hear WATCHDOG=1: twice as often as it asks for. nullopt: it does
  // not.
  std::optional<std::chrono::milliseconds> watchdog() const { return watchdog_; }

 private:
  std::string socket_;
  std::optional<std::chrono::milliseconds> watchdog_;
};

// As long as it lives, and for `most` at most, a start or a stop that takes its time is given more.
class Extension {
 public:
  Extension(const ServiceManager* manager, std::string status, std::chrono::milliseconds most);
  ~Extension();
  Extension(const Extension&) = delete;
  Extension& operator=(const Extension&) = delete;

 private:
  void Run();

  const ServiceManager& manager_;
  const std::string status_;
  const std::chrono::steady_clock::time_point until_;
  Over over_;
  std::thread thread_;
};

}  // namespace onced

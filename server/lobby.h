// SPDX-License-Identifier: MIT
// Lobby: who comes while the store still opens is told that the process lives and is not ready yet.
// A start that takes no time has none: who comes then waits the moment in the port's queue, and is
// served.
//
// Threads: made and destroyed on one.
// Invariants: when it is gone, nobody but the port's next owner accepts there.
#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "server/operations/over.h"
#include "server/options.h"
#include "server/wire/port.h"
#include "server/wire/tls.h"

namespace onced {

class Lobby {
 public:
  // Opens after `patience`, at the same socket as `port`.
  Lobby(const ServeOptions& options, const wire::Port& port,
        std::shared_ptr<wire::TlsCredentials> tls,
        std::chrono::milliseconds patience = std::chrono::milliseconds(500));
  ~Lobby();
  Lobby(const Lobby&) = delete;
  Lobby& operator=(const Lobby&) = delete;

 private:
  void Run(std::chrono::milliseconds patience);

  const ServeOptions& options_;
  std::unique_ptr<wire::Port> port_;
  const std::shared_ptr<wire::TlsCredentials> tls_;
  Over over_;
  std::thread thread_;
};

}  // namespace onced

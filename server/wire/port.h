// SPDX-License-Identifier: MIT
// Port: an address that is taken, for a Listener to serve. It can be taken before there is anything
// to serve, so that a start that finds its port in use has touched nothing else; who connects
// meanwhile waits in the kernel's queue.
//
// Threads: one at a time.
// Invariants: a port is never shared with another process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/status.h"

namespace onced::wire {

class Port {
 public:
  // `number` 0: any free one. Unavailable when it is in use, InvalidArgument when `host` is no IP
  // address.
  static Result<std::unique_ptr<Port>> Take(const std::string& host, uint16_t number);
  ~Port();  // gives up what was not released
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  uint16_t number() const { return number_; }
  bool is_v6() const { return is_v6_; }
  // The same socket once more: who accepts at either takes from the one queue. nullptr: there are
  // no files left.
  std::unique_ptr<Port> Share() const;
  // The listening socket: the caller's from now on.
  int Release();

 private:
  Port(int socket, uint16_t number, bool is_v6) : socket_(socket), number_(number), is_v6_(is_v6) {}

  int socket_;
  const uint16_t number_;
  const bool is_v6_;
};

}  // namespace onced::wire

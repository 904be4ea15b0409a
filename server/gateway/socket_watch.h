// SPDX-License-Identifier: MIT
// SocketWatch: the sockets that libcurl waits for, in one epoll set.
//
// libcurl says what it wants of a socket for every transfer anew, though it is mostly the same
// connection that is kept. So a socket that libcurl opened through us stays in the set when nobody
// wants it, until it is closed: two system calls a transfer fewer. And when such a kept connection
// stirs, it is spoiled: either the other side has ended it, or it has sent what nobody asked for,
// which libcurl would take for the answer to the next request.
//
// Threads: one.
// Invariants: 1. What a socket is watched for covers what is wanted of it. 2. A socket stays in the
// set unwanted only when its closing is told: its number may be another one's afterwards. 3.
// Nothing is sent over a kept connection on which anything was found unasked.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace onced {

class SocketWatch {
 public:
  SocketWatch();
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  // Closing will be told of this one.
  void Opened(int socket);
  void Closing(int socket);
  void Want(int socket, bool in, bool out);
  // Nobody uses it for now: if it stirs nevertheless it is spoiled, and never used again. Not for
  // one that is only paused: Want nothing of that.
  void Rest(int socket);

  // Has the other side end what has rested for so long; libcurl finds it ended when it looks.
  void SpoilIdle(std::chrono::milliseconds rested);

  using Stirred = std::function<void(int socket, bool in, bool out, bool error)>;
  // Waits for `timeout_ms` at most (-1: for ever), and then for nothing that has stirred already;
  // tells of what is wanted, and spoils what is not.
  void Wait(int timeout_ms, const Stirred& stirred);

 private:
  struct Watched {
    uint32_t wanted = 0;
    uint32_t watched = 0;  // EPOLLIN, EPOLLOUT; 0: not in the set
    bool closing_is_told = false;
    bool rests = false;
    std::chrono::steady_clock::time_point since = {};  // when it rests
  };
  Watched& Of(int socket);
  void Watch(int socket, Watched& one, uint32_t events) const;
  int WaitOnce(int timeout_ms, const Stirred& stirred);

  const int epoll_;
  std::vector<Watched> sockets_;  // by number
};

}  // namespace onced

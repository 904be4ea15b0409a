// SPDX-License-Identifier: MIT
// Shares: libcurl's multi handles, over which the calls are spread.
//
// libcurl looks for a kept connection among all that it has to an origin, one after the other: with
// 5,000 slow calls under way a quick one cost 370 us instead of 25. So each share has few calls;
// one more is only made when the others are full, so that where little happens connections are kept
// in one place.
//
// Private to the gateway.
// Threads: one, that of the calls.
// Invariants: 1. Every socket that libcurl has opened is watched, or known to rest. 2. A share in
// which nobody was for a while is gone, and its connections with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "server/gateway/socket_watch.h"

namespace onced {

class Shares;

struct Share {
  using TimePoint = std::chrono::steady_clock::time_point;

  Shares* const owner;
  void* const multi;  // a CURLM*
  const bool is_tls;
  std::optional<TimePoint> due{};  // libcurl's timer
  size_t in_place = 0;             // calls
  TimePoint empty_since{};
  bool stirred = false;  // libcurl may have ended calls of it
};

class Shares {
 public:
  using TimePoint = Share::TimePoint;

  // `sockets` must outlive it: libcurl closes sockets to the very end.
  Shares(size_t connections_max, SocketWatch* sockets)
      : connections_max_(connections_max), sockets_(sockets) {}
  ~Shares();  // REQUIRES: no handle is in a share any more
  Shares(const Shares&) = delete;
  Shares& operator=(const Shares&) = delete;

  // One that has a place, made if need be. The place is taken, until Leave.
  Share& Enter(bool is_tls);
  static void Leave(Share& share);

  // Tells libcurl what its socket has, or that its time has come.
  void Stirred(int socket, bool in, bool out, bool error);
  static void TimeHasCome(Share& share);

  // When there is something to do for one, at the latest; never later than `no_later`.
  TimePoint Next(TimePoint no_later) const;
  // libcurl looks at a kept connection only when it makes another call. After a burst nobody would
  // make one there, and the upstream would hold thousands open for nothing.
  void CloseIdle(TimePoint now);

  auto begin() const { return shares_.begin(); }
  auto end() const { return shares_.end(); }

 private:
  struct Callbacks;  // libcurl's, which come in through here
  friend struct Callbacks;

  const size_t connections_max_;
  SocketWatch* const sockets_;
  std::vector<std::unique_ptr<Share>> shares_;
  std::vector<Share*> share_of_;  // by the number of a socket
  TimePoint next_look_;           // for idle connections
};

}  // namespace onced

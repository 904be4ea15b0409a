// SPDX-License-Identifier: MIT
// Exchange: what passes between a handler and the connection besides the request and the response:
// until when the answer must be held, that there is none yet, and what to undo if nobody gets it.
//
// Threads: a handler uses it only while it runs; a Waker from any thread at any time.
// Invariants: 1. An answer leaves only when the sequence number it was told is durable. 2. A
// parked request is asked again, with the same Exchange, when it is woken or its time is up, and
// holds no thread meanwhile. 3. When the connection is gone, so is the Kept state.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/wire/request_parser.h"

namespace onced::wire {

// Who is at the other end: the same for every request of a connection.
struct Peer {
  std::string address;  // IPv4 or IPv6, without the port
  // Of a client certificate that was verified, as RFC 2253 writes it; empty without one.
  std::string certificate_subject;
};

// What a handler keeps from one ask of a parked request to the next.
struct Kept {
  virtual ~Kept() = default;
};

class Exchange {
 public:
  Exchange(Request request, std::shared_ptr<const Peer> peer, std::function<void()> waker)
      : request_(std::move(request)), peer_(std::move(peer)), waker_(std::move(waker)) {}

  const Request& request() const { return request_; }
  const Peer& peer() const { return *peer_; }
  std::chrono::steady_clock::time_point begun() const { return begun_; }

  // The answer may not leave before everything up to `sequence` is durable.
  void HoldUntil(uint64_t sequence) { sequence_ = std::max(sequence_, sequence); }

  // There is no answer yet: whatever the response says is dropped, and the handler is asked again
  // after `time`, or earlier when a Waker is called.
  // REQUIRES: may_park().
  void Park(std::chrono::milliseconds time) {
    parked_for_ = time;
    stalled_since_.reset();
  }
  // The same for a moment, because the store would not take a write just now; for `patience` in a
  // row. False when that is over, or may_park() is: the answer must be what it is. Unlike one who
  // waits for somebody else's run, a client that has finished sending is still answered.
  bool Stall(std::chrono::milliseconds pause, std::chrono::milliseconds patience) {
    const auto now = std::chrono::steady_clock::now();
    if (!stalled_since_.has_value()) stalled_since_ = now;
    if (draining_ || now - *stalled_since_ >= patience) return false;
    parked_for_ = pause;
    return true;
  }
  // False when the listener is stopping: the answer must be what it is now.
  bool may_park() const { return !draining_; }
  std::function<void()> Waker() const { return waker_; }
  std::unique_ptr<Kept> kept;

  // `undo` is called when the connection dies before a byte of this answer was written.
  void IfUnsent(std::function<void()> undo) { if_unsent_ = std::move(undo); }

  // For the connection.
  void BeginAsk(bool draining) {
    parked_for_.reset();
    draining_ = draining;
  }
  std::optional<std::chrono::milliseconds> parked_for() const { return parked_for_; }
  bool stalled() const { return stalled_since_.has_value(); }
  uint64_t sequence() const { return sequence_; }
  std::function<void()> TakeIfUnsent() { return std::exchange(if_unsent_, nullptr); }

 private:
  const Request request_;
  const std::shared_ptr<const Peer> peer_;
  const std::function<void()> waker_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  uint64_t sequence_ = 0;
  bool draining_ = false;
  std::optional<std::chrono::milliseconds> parked_for_;
  std::optional<std::chrono::steady_clock::time_point> stalled_since_;
  std::function<void()> if_unsent_;
};

}  // namespace onced::wire

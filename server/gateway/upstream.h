// SPDX-License-Identifier: MIT
// Upstreams: calls to the services behind the gateway. libcurl's multi interface makes all of them
// on one thread, so thousands of slow ones cost no threads; connections are kept.
//
// A call is made once. What libcurl would do for convenience is off: no retry on another connection
// once a byte of the request may have left, no redirect, no proxy from the environment, no
// decompression, no "Expect", no header that was not given. How it ended is told without guessing:
// nothing was sent, a whole answer came, or neither is known.
//
// Threads: Start, and the destructor, from one; Call and Cancel from any. Every callback of a
// CallEvents runs on the upstreams' thread and must not block.
// Invariants: 1. OnEnd is called once for every call, the last of its callbacks. 2. kNotSent is
// told only when no byte of the request can have left this machine. 3. kWhole is told only for an
// answer that was framed rightly to its end. 4. A resolved address that is link-local is connected
// to only when the origin allows it (instance metadata lives there).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/status.h"
#include "server/gateway/call.h"

namespace onced {

class Upstreams {
 public:
  // `connections_max`: open at a time, to all origins; further calls wait for one within their
  // deadlines.
  static Result<std::unique_ptr<Upstreams>> Start(size_t connections_max);
  // Calls under way end with kUnknown, or kNotSent.
  ~Upstreams();
  Upstreams(const Upstreams&) = delete;
  Upstreams& operator=(const Upstreams&) = delete;

  using CallId = uint64_t;
  CallId Call(UpstreamRequest request, std::shared_ptr<CallEvents> events);
  // The body's reader has room again.
  void Resume(CallId call);
  // Ends the call as it stands, if it has not ended; for calls that nobody waits for.
  void Cancel(CallId call);
  // Runs `task` on the upstreams' thread, soon, or not before `after`. Dropped when this ends.
  void Post(std::function<void()> task);
  void PostAfter(std::chrono::milliseconds after, std::function<void()> task);

  size_t under_way() const;

 private:
  class Impl;
  explicit Upstreams(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace onced

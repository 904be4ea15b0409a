// SPDX-License-Identifier: MIT
// Tag: what is known of a request when its answer leaves, for those who count and tell: see
// ListenerOptions::leaves.
//
// Threads: a value.
// Invariants: method, route and upstream are few and configured, not what a client has sent. They
// live as long as `names`; where there is none, as long as the listener.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/wire/request_id.h"
#include "server/wire/trace_context.h"

namespace onced::wire {

struct Peer;

struct Tag {
  int status = 0;       // 0: it answers no request
  uint8_t mark = 0;     // see Exchange::Mark
  bool waited = false;  // it was parked, as its client had asked for
  std::chrono::steady_clock::time_point begun{};
  std::string_view method;    // one of those of RFC 9110 and PATCH, or OTHER
  std::string_view route;     // empty: none was found
  std::string_view upstream;  // of the gateway
  std::string key;            // of the request, to be told as its hash alone; may be empty
  uint64_t bytes_in = 0;      // of the body; of one that is passed on as its head tells it
  uint64_t bytes_out = 0;     // of head and body; of a body that streams not
  RequestId request_id;
  TraceContext trace;
  std::shared_ptr<const Peer> peer;
  std::shared_ptr<const void> names;
};

// See Tag::method.
std::string_view KnownMethod(std::string_view method);

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// What is asked of an upstream, who hears of the answer, and how a call can have ended.
//
// Threads: values; the callbacks are called on the upstreams' thread and must not block.
// Invariants: OnEnd is called once for every call, the last of its callbacks.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/gateway/origin.h"
#include "server/wire/pipe.h"
#include "server/wire/request_parser.h"

namespace onced {

using wire::HeaderList;

// Of an answer that is passed on while it comes, in memory.
constexpr size_t kAnswerRoom = size_t{64} << 10;

struct UpstreamRequest {
  std::shared_ptr<const Origin> origin;
  std::string method;
  std::string target;  // origin-form, sent byte for byte
  // All that is sent besides Host and the body's framing, in order. Not sent at all (kNotSent) when
  // one cannot stand in a head, or is Host, Content-Length or Transfer-Encoding: those are ours. An
  // Expect is left out.
  HeaderList headers;
  std::string body;                            // sent with its Content-Length; or
  std::shared_ptr<wire::Pipe> body_pipe;       // the body comes in pieces,
  int64_t body_length = -1;                    // so many bytes; -1: unknown, sent chunked
  std::chrono::milliseconds deadline{60'000};  // from Call to the last byte of the answer
};

// How a call ended.
enum class CallEnd {
  kNotSent,  // the connection failed before a byte of the request was sent
  kWhole,    // the answer came, whole; over TLS one that tells its end itself
  kUnknown,  // some of the request may have been sent, and no whole answer came
};

class CallEvents {
 public:
  virtual ~CallEvents() = default;
  // The call has this number: what Call returned, which may not have returned yet. The first of the
  // callbacks.
  virtual void OnTaken(uint64_t /*call*/) {}
  // The final status (never 1xx) and its headers, as they came, without the framing.
  // `length`: of the body, or -1 when it is not told; the answer to a HEAD, and a 304, tell that of
  // a body that does not come.
  virtual void OnHead(int status, HeaderList headers, int64_t length) = 0;
  // False: stop for now; Resume is called when there is room. All of `bytes` was taken either way.
  virtual bool OnBody(std::string_view bytes) = 0;
  // `why`: for an operator; empty when whole.
  virtual void OnEnd(CallEnd end, std::string why) = 0;
};

}  // namespace onced

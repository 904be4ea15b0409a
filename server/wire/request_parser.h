// SPDX-License-Identifier: MIT
// RequestParser: bytes of a connection in, one whole and harmless HTTP/1.1 request out.
//
// The grammar is Boost.Beast's; what Beast lets pass is refused here before it sees it: line
// folding, bare CR or LF, control bytes, a space before the colon, a missing or second Host, more
// than one Content-Length, any Transfer-Encoding but `chunked` alone, trailers. It knows no socket,
// so a test (or a fuzzer) can split its input anywhere.
//
// Threads: use from one.
// Invariants: 1. How the bytes are cut never changes what comes out. 2. A request is complete only
// when its body is framed to the end. 3. After a refusal nothing more is read: where the next
// request would begin cannot be known.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/wire/field_syntax.h"
#include "server/wire/problem.h"

namespace onced::wire {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct RequestLimits {
  size_t head_bytes = 16 * 1024;
  size_t headers = 64;
  size_t target_bytes = 8 * 1024;
  size_t path_bytes = 1024;
  uint64_t body_bytes = 1024 * 1024;
  bool coded_bodies =
      false;  // take what has a Content-Encoding, as it is: for who only passes it on
};

struct Request {
  std::string method;
  std::string target;  // as sent: path and query, not decoded
  int minor_version = 1;
  HeaderList headers;
  std::string body;
  int64_t body_length = 0;  // as the head tells it; -1: nobody knows, it comes in chunks
  bool keep_alive = true;
  bool expects_continue = false;

  // The value of the first header of that name (any case); empty when there is none.
  std::string_view Header(std::string_view name) const;
};

class RequestParser {
 public:
  enum class Progress { kNeedsMore, kComplete, kRefused };

  // `stops_at_head`: where a body follows, Feed stops before it; see at_head().
  explicit RequestParser(const RequestLimits& limits, bool stops_at_head = false);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Reads on. `*consumed` of `bytes` are done with; the rest must be given again, with what has
  // come since. After kComplete, take the request and use a new parser for what follows.
  Progress Feed(std::string_view bytes, size_t* consumed);

  // True from the end of the head on: only the body is missing.
  bool head_done() const;
  // REQUIRES: head_done(). The request so far.
  const Request& head() const;
  // Feed has stopped before the body: StreamBody may be called. Otherwise it is collected.
  bool at_head() const;
  // Hands the body on, part by part and whatever its size, from within Feed. The request can be
  // taken now.
  // REQUIRES: at_head().
  void StreamBody(std::function<void(std::string_view part)> sink);
  // REQUIRES: head_done(). A client that asked for it waits for "100 Continue" now.
  bool expects_continue() const;

  // Of a body that is collected, read so far.
  size_t body_bytes() const;

  // REQUIRES: kComplete was returned, or head_done() and the rest does not matter any more.
  Request TakeRequest();
  // REQUIRES: kRefused was returned.
  // Why; the connection closes after this answer.
  const Problem& refusal() const;

 private:
  class Beast;
  Progress CheckHead(std::string_view bytes);
  Progress Refuse(std::string code, std::string detail);
  Progress RefuseLength();

  const RequestLimits limits_;
  const std::unique_ptr<Beast> beast_;
  const bool stops_at_head_;
  bool at_head_ = false;
  size_t head_scanned_ = 0;
  size_t head_size_ = 0;
  bool any_seen_ = false;
  Problem refusal_;
};

}  // namespace onced::wire

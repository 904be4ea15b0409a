// SPDX-License-Identifier: MIT
// AnswerHead: the head of an upstream's answer, read line by line as libcurl hands it on, and
// judged by RFC 9112 where libcurl is kind: what is framed in two ways, or in a way that two
// readers could understand differently, is no answer at all.
//
// Threads: one at a time.
// Invariants: 1. An interim answer (1xx) leaves nothing behind. 2. What is held in memory is
// bounded by kHeadBytesMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "server/gateway/call.h"

namespace onced {

class AnswerHead {
 public:
  static constexpr size_t kHeadBytesMax = size_t{64} << 10;
  static constexpr size_t kHeadersMax = 200;
  // Of all the heads that come before the last one, together.
  static constexpr size_t kInterimBytesMax = size_t{256} << 10;

  enum class Verdict {
    kMore,  // not the last line, or that of an interim answer
    kDone,  // the final head is here
    kBad,   // this cannot be an answer; why() says what is wrong
  };

  // For the next answer.
  void Reset(bool of_head_request);
  // `line`: with the end of line, as it came. REQUIRES: not done.
  Verdict Take(std::string_view line);

  bool done() const { return done_; }
  int status() const { return status_; }
  // Without Transfer-Encoding and Content-Length; in order.
  HeaderList TakeHeaders() { return std::move(headers_); }
  // Of the body as it was told, or -1. Of a HEAD's or a 304's: of the body that did not come.
  int64_t length() const { return length_; }
  // The head is the whole answer.
  bool bodyless() const { return bodyless_; }
  // Nothing but the end of the connection tells the end of the body.
  bool ends_with_connection() const { return !bodyless_ && !chunked_ && length_ < 0; }
  const char* why() const { return why_; }

 private:
  Verdict Bad(const char* why);
  Verdict TakeStatusLine(std::string_view line);
  Verdict TakeHeader(std::string_view line);
  Verdict TakeLength(std::string_view value);
  Verdict TakeEnd();
  void BeginHead();

  bool of_head_request_ = false;
  bool done_ = false;
  bool bodyless_ = false;
  bool in_head_ = false;  // after a status line
  bool chunked_ = false;
  bool http_1_0_ = false;
  int status_ = 0;
  int64_t length_ = -1;
  size_t bytes_ = 0;
  size_t bytes_before_ = 0;
  HeaderList headers_;
  const char* why_ = "";
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// AnswerReader: takes one answer after the other off what a connection has received, of HTTP/1.1 or
// of the Redis protocol.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bench/load.h"

namespace onced::bench {

class AnswerReader {
 public:
  explicit AnswerReader(Protocol protocol);
  ~AnswerReader();
  AnswerReader(AnswerReader&&) noexcept;

  void Received(const char* bytes, size_t size) { in_.append(bytes, size); }
  // The first answer that is there whole; what it points to is there until Drop. Fails when it is
  // no answer.
  std::optional<Answer> Whole();
  void Drop();

 private:
  std::optional<Answer> WholeHttp();

  struct Parsing;  // Boost.Beast's parser of the answer that is coming
  const Protocol protocol_;
  std::string in_;
  size_t size_ = 0;  // of the answer that was found, or as much of it as was looked at
  std::unique_ptr<Parsing> parsing_;
};

// How many of `bytes` are the first reply of the Redis protocol; 0 when it is not there whole.
size_t ReplySize(std::string_view bytes);

}  // namespace onced::bench

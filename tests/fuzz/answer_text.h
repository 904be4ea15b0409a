// SPDX-License-Identifier: MIT
// AnswerText: the answers of one connection as they came, taken apart one after another, and held
// to being well formed while they are.
//
// Threads: one.
// Invariants: what is not well formed breaks a promise; nothing is skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onced {

struct AnswerHead {
  int status = 0;
  std::optional<uint64_t> length;
  bool chunked = false;
  bool problem = false;
  bool close = false;
};

struct AnswerBody {
  std::string bytes;
  bool whole = false;  // false: the connection ended before it did
};

class AnswerText {
 public:
  explicit AnswerText(std::string_view text) : left_(text) {}

  bool empty() const { return left_.empty(); }
  // Whether the next head is here to its end.
  bool has_head() const { return left_.find("\r\n\r\n") != std::string_view::npos; }
  std::string Begin() const { return std::string(left_.substr(0, 200)); }

  AnswerHead TakeHead();
  AnswerBody TakeBytes(uint64_t length);
  AnswerBody TakeChunks();
  std::string TakeRest();

 private:
  // Null at an end too early.
  std::optional<std::string_view> TakeLine();

  std::string_view left_;
};

}  // namespace onced

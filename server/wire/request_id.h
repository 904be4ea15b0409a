// SPDX-License-Identifier: MIT
// RequestId: the name by which a request is found again: in its answer, in log lines, at the
// service behind the gateway. The client's own (X-Request-Id), or one that is made: a UUID of
// version 7 (RFC 9562, 5.7), which sorts by time.
//
// Threads: a value; New from any.
// Invariants: 1 to 64 visible characters (0x21..0x7E) once it is one: nothing else of what a client
// sends under that name is taken, whole or in part.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace onced::wire {

constexpr char kRequestIdHeader[] = "X-Request-Id";

class RequestId {
 public:
  static constexpr size_t kMax = 64;

  RequestId() = default;  // none
  static RequestId New();
  // `given`: as the client sent it; anything but an id, or nothing, makes a new one.
  static RequestId Of(std::string_view given);

  std::string_view text() const { return {text_.data(), size_}; }
  bool is_given() const { return is_given_; }

 private:
  std::array<char, kMax> text_;  // of it `size_`
  uint8_t size_ = 0;
  bool is_given_ = false;
};

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// InputBuffer: what has come of a client and was not looked at yet.
//
// Private to server/wire.
// Threads: its connection's loop.
// Invariants: 1. While it is being filled nothing in it moves. 2. What is dropped gives its memory
// back, but for what the next read needs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace onced::wire {

class InputBuffer {
 public:
  std::string_view rest() const { return std::string_view(bytes_).substr(at_, end_ - at_); }
  size_t size() const { return end_ - at_; }
  bool empty() const { return at_ == end_; }
  bool filling() const { return filling_; }

  // Room for at least so many bytes more, to be filled until Filled is called. REQUIRES: !filling.
  std::span<char> Fill(size_t room);
  void Filled(size_t bytes);

  // `bytes` of rest() have been looked at. `kept`: see Drop, which it ends with when that was all.
  void Consume(size_t bytes, size_t kept);
  // All of it; while it is being filled nothing, for that is yet to come. Room for `kept` bytes
  // stays.
  void Drop(size_t kept);

 private:
  std::string bytes_;
  size_t at_ = 0;   // consumed up to here
  size_t end_ = 0;  // filled up to here
  bool filling_ = false;
};

}  // namespace onced::wire

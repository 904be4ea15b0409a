// SPDX-License-Identifier: MIT
#include "server/wire/input_buffer.h"

#include <algorithm>

namespace onced::wire {

std::span<char> InputBuffer::Fill(size_t room) {
  if (at_ > 0) {
    bytes_.erase(0, at_);
    end_ -= at_;
    at_ = 0;
  }
  if (bytes_.size() - end_ < room) bytes_.resize(std::max(end_ + room, end_ * 2));
  filling_ = true;
  return std::span(bytes_).subspan(end_);
}

void InputBuffer::Filled(size_t bytes) {
  filling_ = false;
  end_ += bytes;
}

void InputBuffer::Consume(size_t bytes, size_t kept) {
  at_ += bytes;
  if (empty()) Drop(kept);
}

void InputBuffer::Drop(size_t kept) {
  if (filling_) return;
  at_ = end_ = 0;
  if (bytes_.size() <= kept) return;
  bytes_.resize(kept);
  bytes_.shrink_to_fit();
}

}  // namespace onced::wire

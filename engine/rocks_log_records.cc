// SPDX-License-Identifier: MIT
#include "engine/rocks_log_records.h"

#include <algorithm>

namespace onced {

namespace {

constexpr uint64_t kBlock = 32U << 10;

}  // namespace

bool LogRecords::Follow(std::string_view bytes) {
  const uint64_t from = given_;
  given_ += bytes.size();
  while (!odd_) {
    const uint64_t left = kBlock - end_ % kBlock;
    const uint64_t head = left < kHead ? end_ + left : end_;
    for (uint64_t i = std::max(head, from); i < std::min(head + kHead, given_); ++i) {
      head_[i - head] = static_cast<unsigned char>(bytes[i - from]);
    }
    if (given_ < head + kHead) break;
    const uint64_t end = head + kHead + head_[4] + 256ULL * head_[5];
    if (head_[6] < 1 || head_[6] > 4 || end > head - head % kBlock + kBlock) {
      odd_ = true;
    } else {
      begin_ = end_;
      end_ = end;
    }
  }
  return !odd_;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/wire/answer_stream.h"

#include <array>
#include <charconv>

namespace onced::wire {
namespace {

constexpr size_t kPieceBytes = 128 * 1024;

std::string AsChunk(const std::string& bytes) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), bytes.size(), 16);
  std::string chunk;
  chunk.reserve(bytes.size() + digits.size() + 9);  // line ends, and perhaps the last chunk
  chunk.append(digits.data(), end.ptr).append("\r\n").append(bytes).append("\r\n");
  return chunk;
}

}  // namespace

AnswerStream::Piece AnswerStream::Next() {
  if (too_long_) return {.broken = true};
  Pipe::Taken taken = pipe_->TakeSome(kPieceBytes);
  Piece piece{.bytes = std::move(taken.bytes), .ended = taken.ended, .broken = taken.broken};
  if (left_.has_value()) {
    too_long_ = piece.bytes.size() > *left_;
    if (too_long_) return {.broken = true};
    *left_ -= piece.bytes.size();
    if (piece.ended && *left_ > 0) piece.broken = true;
  }
  if (piece.broken) {
    // What did come is still passed on; the break is told again by the next call.
    piece.broken = piece.bytes.empty();
    piece.ended = false;
  }
  if (!chunked_) return piece;
  if (!piece.bytes.empty()) piece.bytes = AsChunk(piece.bytes);
  if (piece.ended) piece.bytes.append("0\r\n\r\n");
  return piece;
}

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
#include "server/wire/body_intake.h"

#include <algorithm>
#include <utility>

namespace onced::wire {
namespace {

constexpr size_t kPieceBytes = 32 * 1024;  // looked at in one go, so at most that beyond the room

}  // namespace

BodyIntake::BodyIntake(std::unique_ptr<RequestParser> parser, size_t pipe_room, TimePoint now)
    : parser_(std::move(parser)), pipe_(std::make_shared<Pipe>(pipe_room)), willing_since_(now) {
  parser_->StreamBody([this](std::string_view part) {
    bytes_ += part.size();
    // What nobody wants any more is still read to its end: the next request lies behind it.
    has_room_ = pipe_->Write(part) || pipe_->abandoned();
  });
}

BodyIntake::~BodyIntake() { pipe_->Close(Pipe::End::kBroken); }

BodyIntake::State BodyIntake::Feed(std::string_view bytes, size_t* consumed) {
  *consumed = 0;
  while (has_room_) {
    const std::string_view piece = bytes.substr(*consumed, kPieceBytes);
    size_t used = 0;
    const RequestParser::Progress progress = parser_->Feed(piece, &used);
    *consumed += used;
    if (progress == RequestParser::Progress::kRefused) return State::kRefused;
    if (progress == RequestParser::Progress::kComplete) {
      pipe_->Close(Pipe::End::kWhole);
      return State::kWhole;
    }
    if (used == 0) break;
  }
  return State::kComing;
}

void BodyIntake::SetWilling(bool willing, TimePoint now) {
  if (willing == willing_since_.has_value()) return;
  if (willing) {
    willing_since_ = now;
  } else {
    willing_before_ += now - *willing_since_;
    willing_since_.reset();
  }
}

bool BodyIntake::IsOverdue(const Deadlines& deadlines, TimePoint now) const {
  if (!willing_since_.has_value()) return false;
  const std::chrono::milliseconds paid_for(bytes_ * 1'000 / deadlines.body_bytes_per_s);
  return willing_before_ + (now - *willing_since_) >= deadlines.body_grace + paid_for;
}

}  // namespace onced::wire

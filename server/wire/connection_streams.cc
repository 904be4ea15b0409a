// SPDX-License-Identifier: MIT
// The half of Connection that passes bodies on while they come. An intake lives from the head of
// its request to the end of its body, beside the request being served and then beside its answer; a
// stream from the answer's head to its end.
#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "server/wire/connection.h"

namespace onced::wire {
// For the other side of a pipe, which may outlive the connection and the listener.
std::function<void()> Connection::Later(void (Connection::*what)()) {
  return [weak = weak_from_this(), loop = loop_, what] {
    asio::post(loop->context, [weak, what] {
      if (const std::shared_ptr<Connection> self = weak.lock()) (self.get()->*what)();
    });
  };
}

// What of the body is here already goes into the pipe first: a handler that answers at once then
// need not end the connection with its answer.
void Connection::ServeStreamed() {
  if (parser_->expects_continue() && in_.empty()) Push(kContinue, /*last=*/false);
  Request request = parser_->TakeRequest();
  intake_ = std::make_unique<BodyIntake>(std::move(parser_), services_->options.pipe_room,
                                         std::chrono::steady_clock::now());
  intake_->pipe()->OnRoom(Later(&Connection::OnRoom));
  std::shared_ptr<Pipe> pipe = intake_->pipe();
  FeedIntake();
  if (!no_more_requests_) Serve(std::move(request), std::move(pipe));
}

void Connection::FeedIntake() {
  if (closed_ || intake_ == nullptr) return;
  size_t consumed = 0;
  const BodyIntake::State state = intake_->Feed(in_.rest(), &consumed);
  in_.Consume(consumed, ReadBytes());
  switch (state) {
    case BodyIntake::State::kWhole:
      intake_.reset();
      return;
    case BodyIntake::State::kRefused:
      return FailIntake(intake_->refusal());
    case BodyIntake::State::kComing:
      if (input_ended_ && intake_->has_room()) {
        FailIntake({.code = "invalid_request", .detail = "the body broke off before its end"});
      }
      return;
  }
}

// One that was meant for an earlier body lets one piece too many in, and no more.
void Connection::OnRoom() {
  if (closed_ || intake_ == nullptr) return;
  intake_->MakeRoom();
  (void)Recharge();
  Advance();
}

// The rest of the body will never come. Whoever is not being answered yet is told why.
void Connection::FailIntake(const Problem& problem) {
  Problem told = problem;  // it may be the parser's own
  EndIntake();
  if (stream_ != nullptr) return;
  if (asking_) {
    intake_failure_ = std::move(told);
    return;
  }
  if (parked_) Unpark();
  EndServing();
  Refuse(told);
}

// Breaks the pipe, if the body has not ended; where the next request begins is not known then.
void Connection::EndIntake() {
  if (intake_ == nullptr) return;
  intake_.reset();
  no_more_requests_ = drops_input_ = true;
  in_.Drop(ReadBytes());
}

// Moves on what has come of a streamed answer, when all before it has left, or leaves with it. True
// when that was its end.
bool Connection::TakeOfStream() {
  if (stream_ == nullptr || outbox_.writing() || !outbox_.moves()) return false;
  AnswerStream::Piece piece = stream_->Next();
  if (piece.broken) {
    // What is finished before it still leaves; then the break is told again.
    if (outbox_.empty()) Close();
    return false;
  }
  const bool last = piece.ended && stream_->last();
  if (!piece.bytes.empty() || last) Push(std::move(piece.bytes), last);
  if (!piece.ended) return false;
  stream_.reset();
  EnterPhase(Phase::kIdle);
  if (refused_later_ && !last) Refuse(TooManyBytes());
  return true;
}

}  // namespace onced::wire

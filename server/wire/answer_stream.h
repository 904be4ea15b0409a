// SPDX-License-Identifier: MIT
// AnswerStream: the body of an answer on its way from a pipe to a connection, while it comes, in
// pieces that are framed as the answer's head has promised.
//
// Private to server/wire.
// Threads: its connection's loop; the pipe's other side is anybody's.
// Invariants: 1. The end of the body is framed only when the pipe ended whole, and with as many
// bytes as were promised. 2. The writer learns (Pipe::abandoned) when this goes before the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/wire/exchange.h"
#include "server/wire/pipe.h"

namespace onced::wire {

class AnswerStream {
 public:
  // `last`: the connection closes after it.
  AnswerStream(StreamTerms terms, bool last)
      : pipe_(std::move(terms.pipe)), left_(terms.length), chunked_(terms.chunked), last_(last) {}
  ~AnswerStream() { pipe_->Abandon(); }
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;

  struct Piece {
    std::string bytes;    // empty: nothing is here just now
    bool ended = false;   // these are the last
    bool broken = false;  // it can never be told rightly where the body ends; told again
  };
  Piece Next();

  // Before the other side begins, or before Next; see Pipe::OnReadable.
  void OnReadable(std::function<void()> call) { pipe_->OnReadable(std::move(call)); }

  bool last() const { return last_; }
  // Whether the client can tell an end too early from the right one without our help.
  bool framed() const { return chunked_ || left_.has_value(); }
  size_t waiting() const { return pipe_->size(); }  // in the pipe

 private:
  const std::shared_ptr<Pipe> pipe_;
  std::optional<uint64_t> left_;
  const bool chunked_;
  const bool last_;
  bool too_long_ = false;
};

}  // namespace onced::wire

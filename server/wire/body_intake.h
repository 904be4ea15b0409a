// SPDX-License-Identifier: MIT
// BodyIntake: a request's body on its way from a connection to a pipe, while it comes: framed by
// the request's parser, never more of it in memory than the pipe has room for, and never slower
// than the deadlines allow.
//
// Private to server/wire.
// Threads: its connection's loop; the pipe's other side is anybody's.
// Invariants: 1. The pipe gets the body's bytes in order, however they were cut; its end is whole
// only when the body was framed to its end, and broken when this goes before. 2. Only the time in
// which more was welcome counts against the sender.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "server/wire/listener.h"
#include "server/wire/pipe.h"
#include "server/wire/request_parser.h"

namespace onced::wire {

class BodyIntake {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class State { kComing, kWhole, kRefused };

  // `parser` has read the head, and nothing else. `on_room`: see Pipe::OnRoom.
  BodyIntake(std::unique_ptr<RequestParser> parser, size_t pipe_room, TimePoint now);
  ~BodyIntake();
  BodyIntake(const BodyIntake&) = delete;
  BodyIntake& operator=(const BodyIntake&) = delete;

  const std::shared_ptr<Pipe>& pipe() const { return pipe_; }

  // Passes on as much of `bytes` as there is room for; `*consumed` of them are done with.
  State Feed(std::string_view bytes, size_t* consumed);
  // REQUIRES: kRefused was returned.
  const Problem& refusal() const { return parser_->refusal(); }

  bool has_room() const { return has_room_; }
  void MakeRoom() { has_room_ = true; }

  // Whether more is read just now: time counts only then.
  void SetWilling(bool willing, TimePoint now);
  // Whether it has been slower than it may; never while nothing is read.
  bool IsOverdue(const Deadlines& deadlines, TimePoint now) const;

 private:
  const std::unique_ptr<RequestParser> parser_;
  const std::shared_ptr<Pipe> pipe_;
  bool has_room_ = true;
  uint64_t bytes_ = 0;
  std::optional<TimePoint> willing_since_;
  std::chrono::steady_clock::duration willing_before_{0};
};

}  // namespace onced::wire

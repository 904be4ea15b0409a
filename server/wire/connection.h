// SPDX-License-Identifier: MIT
// Connection: one client's socket, from accept to close: reads, frames, has answered, holds, parks,
// writes. How a request is answered is in server/wire/connection_answers.cc; bodies that are passed
// on while they come go through two helpers, an intake and a stream:
// server/wire/connection_streams.cc.
//
// Private to server/wire: includes Asio.
// Threads: everything on its loop's thread, but the waker and the gate's callback, and those
// of pipes, which only post.
// Invariants: 1. One read and one write are under way at most. 2. While a request is being answered
// or parked, or its answer or its body still comes, no later one of this connection begins; a
// finished answer that is only held does not keep the next one back. 3. Once closed_ is set,
// nothing is started any more.
#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/wire/answer_stream.h"
#include "server/wire/body_intake.h"
#include "server/wire/exchange.h"
#include "server/wire/input_buffer.h"
#include "server/wire/listener.h"
#include "server/wire/loop.h"
#include "server/wire/outbox.h"
#include "server/wire/transport.h"
#include "server/wire/work_pool.h"

namespace onced::wire {

// A raw target without its query.
inline std::string_view PathOf(std::string_view target) {
  return target.substr(0, target.find('?'));
}
// After which one who was turned away for want of room may come back.
inline constexpr int64_t kRetryAfterS = 1;
inline constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

Problem TooManyBytes();

// What the connections of one listener share.
struct Services {
  explicit Services(ListenerOptions o)
      : options(std::move(o)),
        host(options.handler),
        pool(std::in_place, options.pool_threads, options.pool_line_max) {}

  const ListenerOptions options;
  RequestHost host;
  std::optional<WorkPool> pool;  // gone when the listener has stopped
  std::atomic<bool> draining{false};
  std::atomic<size_t> connections{0};
  std::atomic<size_t> parked{0};
  std::atomic<size_t> memory{0};
  std::atomic<uint64_t> requests{0};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Connection(asio::ip::tcp::socket socket, std::shared_ptr<Services> services,
             std::shared_ptr<Loop> loop);
  ~Connection();

  void Start();
  // Answers with `problem` and closes: for a connection too many.
  void TurnAway(const Problem& problem);
  // Closes what is overdue, and, while draining, what is idle.
  void Tick(TimePoint now);
  void Close();
  // Asks the handler again, if this request is still parked.
  void AskAgain(uint64_t number);
  // Writes what may leave.
  void Flush();

 private:
  enum class Phase { kHandshake, kIdle, kHead, kBody, kServing, kStreaming, kLingering };
  struct Serving {
    uint64_t number;
    Exchange exchange;
    bool keep_alive;
  };

  void ShakeHands(std::function<void()> then);
  bool WantsInput();
  size_t ReadBytes() const;
  void Read();
  void OnRead(const asio::error_code& error);
  void OnEndOfInput();
  void Advance();
  bool Owes() const;
  bool IsBusy() const { return serving_ != nullptr || stream_ != nullptr; }
  bool ParseNext();
  RequestParser::Progress FeedParser();
  void ServeWithoutBody();
  void ServeStreamed();
  void Refuse(const Problem& problem);
  void Push(std::string bytes, bool last, Tag tag = {});
  void OnWritten(const asio::error_code& error, size_t size);
  void Linger();
  void EnterPhase(Phase phase);
  std::optional<TimePoint> Deadline() const;
  TimePoint BodyDeadline() const;
  bool Recharge();

  // Of connection_answers.cc.
  void Serve(Request request, std::shared_ptr<Pipe> body_pipe = nullptr);
  void Ask();
  void AskOnPool();
  void OnAsked(Hosted hosted);
  std::function<void()> TakeUndo();
  void EndServing();
  void DropAnswer(Hosted hosted);
  void ArmPark(std::chrono::milliseconds time);
  void Unpark();

  // Of connection_streams.cc.
  void FeedIntake();
  void OnRoom();
  void FailIntake(const Problem& problem);
  void EndIntake();
  bool TakeOfStream();
  std::function<void()> Later(void (Connection::*what)());

  Transport transport_;
  // Shared: a callback that the gate or a waiter still holds may outlive the listener.
  const std::shared_ptr<Services> services_;
  const std::shared_ptr<Loop> loop_;

  std::shared_ptr<const Peer> peer_;

  InputBuffer in_;
  std::unique_ptr<RequestParser> parser_;
  bool continue_sent_ = false;
  std::unique_ptr<Serving> serving_;
  uint64_t served_ = 0;
  std::unique_ptr<BodyIntake> intake_;     // while the body of what is served still comes
  std::unique_ptr<AnswerStream> stream_;   // while the body of what was served still comes
  std::optional<Problem> intake_failure_;  // to be told once the handler that runs has returned
  bool asking_ = false;                    // a handler is running, perhaps on the pool
  bool parked_ = false;
  bool woken_ = false;  // while asking
  std::unique_ptr<asio::steady_timer> park_timer_;

  Outbox outbox_;
  bool no_more_requests_ = false;
  bool drops_input_ = false;    // what still comes is read for nothing
  bool refused_later_ = false;  // for its memory, once the request being answered has its answer
  bool input_ended_ = false;
  bool closed_ = false;

  Phase phase_ = Phase::kIdle;
  TimePoint phase_since_;
  TimePoint write_since_;
  size_t charged_ = 0;
};

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// Connection: one client's socket, from accept to close: reads, frames, has answered, holds, parks,
// writes.
//
// Private to server/wire: includes Asio.
// Threads: everything on its loop's thread, but the waker and the gate's callback, which only post.
// Invariants: 1. One read and one write are under way at most. 2. While a request is being answered
// or parked, no later one of this connection begins; a finished answer that is only held does not
// keep the next one back. 3. Once closed_ is set, nothing is started any more.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/mutex.h"
#include "server/wire/exchange.h"
#include "server/wire/listener.h"
#include "server/wire/transport.h"

namespace onced::wire {

class Connection;

// What the connections of one listener share.
struct Services {
  explicit Services(ListenerOptions o) : options(std::move(o)), host(options.handler) {}

  const ListenerOptions options;
  RequestHost host;
  asio::thread_pool pool{2};
  std::atomic<bool> draining{false};
  std::atomic<size_t> connections{0};
  std::atomic<size_t> parked{0};
  std::atomic<size_t> memory{0};
  std::atomic<uint64_t> requests{0};
};

// One thread's event loop and the connections that live on it.
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  // Has the connection ask again, soon. From any thread, also when the connection is gone.
  void Wake(std::weak_ptr<Connection> connection, uint64_t request) EXCLUDES(mutex_);

  asio::io_context context{1};
  bool is_door = false;  // must never be held up: handlers run on the pool, but for /livez
  std::unordered_set<std::shared_ptr<Connection>> connections;  // on the loop's thread only

 private:
  struct Woken {
    std::weak_ptr<Connection> connection;
    uint64_t request;
  };
  void AskSomeAgain() EXCLUDES(mutex_);

  Mutex mutex_;
  std::deque<Woken> woken_ GUARDED_BY(mutex_);  // AskSomeAgain is posted while there are any
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

 private:
  enum class Phase { kHandshake, kIdle, kHead, kBody, kServing, kLingering };
  struct Answer {
    std::string bytes;
    std::function<void()> if_unsent;
    bool ready = false;
    bool last = false;
  };
  struct Serving {
    uint64_t number;
    Exchange exchange;
    bool keep_alive;
  };

  void ShakeHands(std::function<void()> then);
  void Read();
  void OnRead(const asio::error_code& error);
  void OnEndOfInput();
  void Advance();
  bool Owes() const;
  bool ParseNext();
  void Refuse(Problem problem);
  void Serve(Request request);
  void Ask();
  void OnAsked(std::string bytes);
  void ArmPark(std::chrono::milliseconds time);
  void Push(std::string bytes, bool last);
  void Flush();
  void OnWritten(const asio::error_code& error, size_t size);
  void Linger();
  void EnterPhase(Phase phase);
  std::optional<TimePoint> Deadline() const;
  TimePoint BodyDeadline() const;
  size_t OutboxBytes() const;
  bool Recharge();
  void DropInput();

  Transport transport_;
  // Shared: a callback that the gate or a waiter still holds may outlive the listener.
  const std::shared_ptr<Services> services_;
  const std::shared_ptr<Loop> loop_;

  std::shared_ptr<const Peer> peer_;

  std::string in_;     // the read buffer; not moved while a read is under way
  size_t in_at_ = 0;   // consumed up to here
  size_t in_end_ = 0;  // filled up to here
  std::unique_ptr<RequestParser> parser_;
  bool continue_sent_ = false;
  std::unique_ptr<Serving> serving_;
  uint64_t served_ = 0;
  bool asking_ = false;  // a handler is running, perhaps on the pool
  bool parked_ = false;
  std::unique_ptr<asio::steady_timer> park_timer_;

  std::deque<std::shared_ptr<Answer>> outbox_;
  std::string writing_;
  std::vector<std::function<void()>> writing_if_unsent_;
  bool write_under_way_ = false;
  bool read_under_way_ = false;
  bool last_written_ = false;  // what is being written is the last answer
  bool no_more_requests_ = false;
  bool input_ended_ = false;
  bool closed_ = false;

  Phase phase_ = Phase::kIdle;
  TimePoint phase_since_;
  TimePoint write_since_;
  size_t charged_ = 0;
};

}  // namespace onced::wire

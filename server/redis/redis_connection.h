// SPDX-License-Identifier: MIT
// RedisConnection: one client's socket: its bytes become commands, which run at once; their answers
// are handed to the turn, and come back to be sent.
//
// Private to server/redis: includes Asio.
// Threads: the door's one.
// Invariants: 1. A client that does not read its answers is not read from either. 2. Input is kept
// as long as its command is not whole, and large room for it no longer. 3. It may be closed while
// its own script runs; then nothing more of it runs. 4. What it keeps for long is weighed.
#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/redis/interpreter.h"
#include "server/redis/resp_parser.h"
#include "server/redis/session.h"
#include "server/wire/transport.h"

namespace onced::redis {

class RedisConnection;

// What a connection needs of its door.
class Turn {
 public:
  virtual ~Turn() = default;
  virtual bool IsFull() const = 0;
  virtual bool HasBegun() const = 0;
  // The connection has answers in this turn.
  virtual void Joined(const std::shared_ptr<RedisConnection>& connection) = 0;
  // It has commands for the next one.
  virtual void GoOnLater(const std::shared_ptr<RedisConnection>& connection) = 0;
  // A command that was answered with so many bytes.
  virtual void CommandRan(size_t answer) = 0;
  virtual void EndSoon() = 0;  // after the command that ran
  // What a connection keeps in memory was so many bytes, and is now so many.
  virtual void Weighed(size_t before, size_t now) = 0;
  virtual void Gone(const std::shared_ptr<RedisConnection>& connection) = 0;
};

class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  RedisConnection(asio::ip::tcp::socket socket, const wire::TlsCredentials* tls, Turn* turn,
                  Interpreter* interpreter, bool needs_token);

  void Begin();
  // Runs what has come, as far as this turn goes.
  void RunCommands();
  // It has output in this turn.
  void Join();
  // Takes this turn's answers; as many errors in their stead when there is an `error`.
  std::string TakeAnswers(std::string_view error);
  // They may leave. `bytes` is left empty.
  void Send(std::string* bytes);
  // They may not leave yet; they count as not read.
  void Hold(std::string bytes);
  // The first that are held may leave.
  void LetGo();
  // No more is read; it closes when nothing is left to send.
  void Finish();
  void Close();
  bool idle() const { return !writing_ && outgoing_.empty() && held_bytes_ == 0; }
  // Neither reads nor writes: somebody must have it go on.
  bool stands() const { return !reading_ && !writing_ && !closed_ && !finishing_; }
  Session& session() { return session_; }
  const Session& session() const { return session_; }
  // Bytes that it keeps in memory, as they were last told to the turn.
  size_t weight() const { return weight_; }

 private:
  void Read();
  void OnRead(const asio::error_code& error, size_t size);
  enum class Ran : uint8_t { kOne, kNone, kMustWait };
  Ran RunOne();
  void Run();
  void Break(const std::string& error);
  void Write();
  void OnWritten(const asio::error_code& error);
  void Weigh();
  size_t InputMax() const;
  bool Backlogged() const;
  void CloseWhenDone();

  wire::Transport transport_;
  Turn* const turn_;
  Interpreter* const interpreter_;
  const bool needs_token_;
  Session session_;
  RespParser parser_;
  asio::steady_timer introduction_deadline_;
  bool shook_hands_ = false;

  std::vector<char> in_;
  size_t in_begin_ = 0;  // of what is not run yet
  size_t in_end_ = 0;
  bool reading_ = false;
  bool running_ = false;  // a command, whose arguments are in there
  bool joined_ = false;
  bool input_ended_ = false;
  bool finishing_ = false;
  bool closed_ = false;

  std::string outgoing_;  // may leave
  std::string being_written_;
  bool writing_ = false;
  std::deque<std::string> held_;  // of one turn each
  size_t held_bytes_ = 0;
  size_t weight_ = 0;
};

}  // namespace onced::redis

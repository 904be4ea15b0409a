// SPDX-License-Identifier: MIT
#include "server/redis/redis_connection.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace onced::redis {
namespace {

constexpr size_t kReadMin = size_t{4} << 10;
// Room that is kept, though it is empty: ten thousand clients may be idle.
constexpr size_t kKeptToRead = size_t{16} << 10;
constexpr size_t kKeptToSend = size_t{4} << 10;
constexpr size_t kBehindMax = size_t{1} << 20;   // beside the largest value
constexpr size_t kBacklogMax = size_t{1} << 20;  // beyond it no more commands are run
// To have shaken hands and, where a token is needed, to have said who one is.
constexpr std::chrono::seconds kIntroductionMax{10};

std::string TextOf(const asio::ip::tcp::endpoint& endpoint) {
  const bool v6 = endpoint.address().is_v6();
  const std::string host = endpoint.address().to_string();
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

}  // namespace

RedisConnection::RedisConnection(asio::ip::tcp::socket socket, const wire::TlsCredentials* tls,
                                 Turn* turn, Interpreter* interpreter, bool needs_token)
    : transport_(std::move(socket), tls),
      turn_(turn),
      interpreter_(interpreter),
      needs_token_(needs_token),
      introduction_deadline_(transport_.socket().get_executor()) {
  asio::error_code ignored;
  session_.address = TextOf(transport_.socket().remote_endpoint(ignored));
  session_.local_address = TextOf(transport_.socket().local_endpoint(ignored));
}

void RedisConnection::Begin() {
  interpreter_->Enter(&session_);
  asio::error_code ignored;
  transport_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  transport_.socket().non_blocking(true, ignored);
  introduction_deadline_.expires_after(kIntroductionMax);
  if (transport_.needs_handshake() || needs_token_) {
    introduction_deadline_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error && (!self->shook_hands_ || self->session_.tenant.empty())) self->Close();
    });
  }
  if (!transport_.needs_handshake()) {
    shook_hands_ = true;
    return Read();
  }
  transport_.Handshake([self = shared_from_this()](const asio::error_code& error, size_t) {
    self->shook_hands_ = true;
    error ? self->Close() : self->Read();
  });
}

void RedisConnection::Read() {
  if (reading_ || closed_ || finishing_ || session_.close) return;
  if (input_ended_) return CloseWhenDone();
  if (in_begin_ == in_end_) {
    in_begin_ = in_end_ = 0;
    if (in_.size() > kKeptToRead) std::vector<char>().swap(in_);
  }
  if (in_end_ == in_.size()) {
    // Room is made by moving first, and by growing when the command is as large as that.
    if (in_begin_ > 0) {
      std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
      in_end_ -= in_begin_;
      in_begin_ = 0;
    }
    if (in_end_ == in_.size()) {
      in_.resize(std::min(std::max(in_.size() * 2, kReadMin), InputMax() + 1));
    }
  }
  Weigh();
  reading_ = true;
  transport_.ReadSome(in_.data() + in_end_, in_.size() - in_end_,
                      [self = shared_from_this()](const asio::error_code& error, size_t size) {
                        self->OnRead(error, size);
                      });
}

void RedisConnection::OnRead(const asio::error_code& error, size_t size) {
  reading_ = false;
  if (closed_) {
    std::vector<char>().swap(in_);
    return;
  }
  // Who has said all may still read what that is answered.
  input_ended_ = error == asio::error::eof;
  if (error && !input_ended_) return Close();
  in_end_ += size;
  interpreter_->bytes_in += size;
  if (finishing_) return;
  RunCommands();
}

// Of one command, with what came behind it.
size_t RedisConnection::InputMax() const {
  return static_cast<size_t>(interpreter_->options().bulk_max) + kBehindMax;
}

void RedisConnection::Weigh() {
  if (closed_) return;
  // The least that it reads into is everybody's.
  const size_t now = std::max(in_.size(), kReadMin) - kReadMin + outgoing_.capacity() +
                     being_written_.capacity() + held_bytes_ + session_.out.capacity() +
                     session_.kept_bytes() + parser_.kept_bytes();
  turn_->Weighed(std::exchange(weight_, now), now);
}

void RedisConnection::Hold(std::string bytes) {
  if (closed_) return;
  held_bytes_ += bytes.size();
  held_.push_back(std::move(bytes));
  Weigh();
}

void RedisConnection::LetGo() {
  if (closed_) return;
  std::string bytes = std::move(held_.front());
  held_.pop_front();
  held_bytes_ -= bytes.size();
  Send(&bytes);
}

bool RedisConnection::Backlogged() const {
  return outgoing_.size() + being_written_.size() + session_.out.size() + held_bytes_ > kBacklogMax;
}

void RedisConnection::RunCommands() {
  if (closed_ || finishing_) return;
  const bool meanwhile = interpreter_->scripts().is_busy();
  // What it has been answered before goes first, and that is not before the script ends.
  if (meanwhile && (joined_ || held_bytes_ > 0 || !session_.out.empty())) {
    return turn_->GoOnLater(shared_from_this());
  }
  while (!closed_ && !session_.close && !session_.close_now && !Backlogged()) {
    if (!meanwhile && turn_->IsFull()) return turn_->GoOnLater(shared_from_this());
    const Ran ran = RunOne();
    if (ran == Ran::kMustWait) return turn_->GoOnLater(shared_from_this());
    if (ran == Ran::kNone) break;
  }
  if (closed_) return;  // while a script of its own ran
  if (meanwhile) {
    std::string answers = TakeAnswers("");
    Send(&answers);
  }
  if (session_.close_now) return Close();
  if (session_.close) {
    CloseWhenDone();
  } else if (!Backlogged()) {
    if (in_end_ - in_begin_ > InputMax()) return Break("Protocol error: too big request");
    Read();
  }
}

// kNone: there is no whole command, nor anything else to consume. kMustWait: for the next turn.
RedisConnection::Ran RedisConnection::RunOne() {
  const std::string_view input(in_.data() + in_begin_, in_end_ - in_begin_);
  const RespLimits limits{.bulk_max = interpreter_->options().bulk_max,
                          .unauthenticated = needs_token_ && session_.tenant.empty()};
  size_t consumed = 0;
  switch (parser_.Next(input, limits, &consumed)) {
    case RespParser::Progress::kNeedsMore:
      return Ran::kNone;
    case RespParser::Progress::kNothing:
      break;
    case RespParser::Progress::kCommand:
      if (turn_->HasBegun() && !interpreter_->scripts().is_busy() &&
          Interpreter::MustBeFirst(parser_.arguments())) {
        parser_.ForgetArguments();
        return Ran::kMustWait;  // and parsed again, for it is not consumed
      }
      Join();
      Run();
      break;
    case RespParser::Progress::kBroken:
      Break(parser_.error());
      return Ran::kNone;
  }
  in_begin_ += consumed;
  return Ran::kOne;
}

void RedisConnection::Run() {
  const size_t before = session_.out.size();
  const size_t kept_before = session_.kept_bytes();
  running_ = true;
  interpreter_->Execute(&session_, parser_.arguments());
  turn_->CommandRan(session_.out.size() - std::min(before, session_.out.size()));
  if (Interpreter::MustBeFirst(parser_.arguments())) turn_->EndSoon();
  parser_.ForgetArguments();
  running_ = false;
  if (closed_) std::vector<char>().swap(in_);
  if (session_.kept_bytes() != kept_before) Weigh();
}

// Nothing more is taken; it closes when that is told.
void RedisConnection::Break(const std::string& error) {
  Join();
  Reply(&session_.out, session_.protocol).Error("ERR " + error);
  ++session_.replies_in_turn;
  session_.close = true;
}

// While a script runs others are answered at once, and are not part of its turn.
void RedisConnection::Join() {
  if (interpreter_->scripts().is_busy() || std::exchange(joined_, true)) return;
  turn_->Joined(shared_from_this());
}

std::string RedisConnection::TakeAnswers(std::string_view error) {
  joined_ = false;
  const size_t replies = std::exchange(session_.replies_in_turn, 0);
  const bool shaped = std::exchange(session_.shaped, false);
  if (error.empty()) return std::exchange(session_.out, {});
  // It is not what its client has been told that it is.
  if (shaped) session_.close = true;
  session_.out.clear();
  std::string answers;
  for (size_t i = 0; i < replies; ++i) Reply(&answers, session_.protocol).Error(error);
  return answers;
}

void RedisConnection::Send(std::string* bytes) {
  if (closed_) return;
  interpreter_->bytes_out += bytes->size();
  if (outgoing_.empty()) {
    outgoing_.swap(*bytes);
  } else {
    outgoing_.append(*bytes);
  }
  bytes->clear();
  Write();
  Weigh();
  if (!closed_ && session_.listens() &&
      outgoing_.size() + being_written_.size() > Channels::kUnreadMax) {
    Close();
  }
}

void RedisConnection::Write() {
  if (writing_ || closed_) return;
  if (!outgoing_.empty() && !transport_.needs_handshake()) {
    // Most answers fit into the socket as it is; then nobody has to be called back.
    asio::error_code error;
    const size_t sent = transport_.socket().send(asio::buffer(outgoing_), 0, error);
    if (error && error != asio::error::would_block) return Close();
    if (!error) outgoing_.erase(0, sent);
  }
  if (outgoing_.empty()) {
    // Also when there was nothing to send but its room, because replies are off.
    if (outgoing_.capacity() > kKeptToSend) std::string().swap(outgoing_);
    if (session_.close || finishing_) CloseWhenDone();
    return;
  }
  writing_ = true;
  being_written_.swap(outgoing_);
  outgoing_.clear();
  transport_.WriteAll(being_written_,
                      [self = shared_from_this()](const asio::error_code& error, size_t) {
                        self->OnWritten(error);
                      });
}

void RedisConnection::OnWritten(const asio::error_code& error) {
  writing_ = false;
  being_written_.clear();
  if (being_written_.capacity() > kKeptToSend) std::string().swap(being_written_);
  if (closed_) return;
  if (error) return Close();
  Write();
  Weigh();
  if (!closed_) RunCommands();
}

void RedisConnection::Finish() {
  finishing_ = true;
  CloseWhenDone();
}

void RedisConnection::CloseWhenDone() {
  if (closed_ || joined_ || !idle() || !session_.out.empty()) return;
  Close();
}

void RedisConnection::Close() {
  if (closed_) return;
  turn_->Weighed(std::exchange(weight_, 0), 0);
  closed_ = true;
  const std::shared_ptr<RedisConnection> self = shared_from_this();
  introduction_deadline_.cancel();
  interpreter_->Leave(&session_);
  // The gate may hold on to it for long after: what it keeps goes now.
  held_.clear();
  held_bytes_ = 0;
  std::string().swap(outgoing_);
  if (!reading_ && !running_) std::vector<char>().swap(in_);
  transport_.Close();
  turn_->Gone(self);
}

}  // namespace onced::redis

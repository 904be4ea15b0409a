// SPDX-License-Identifier: MIT
#include "server/wire/connection.h"

#include <algorithm>
#include <span>
#include <utility>

#include "server/wire/problem.h"
#include "server/wire/response_head.h"

namespace onced::wire {
namespace {

constexpr size_t kReadBytes = 4 * 1024;
constexpr size_t kIntakeBytes = 32 * 1024;   // the same for a body that is passed on
constexpr size_t kPipelineMax = 64;          // finished answers that wait to leave, and
constexpr size_t kOutboxBytes = 256 * 1024;  // their bytes, before no more requests are begun
constexpr std::chrono::milliseconds kLingerTime{1'000};

}  // namespace

Problem TooManyBytes() {
  return {.code = "overloaded",
          .detail = "too many bytes are in flight; try again",
          .retry_after_s = kRetryAfterS};
}

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<Services> services,
                       std::shared_ptr<Loop> loop)
    : transport_(std::move(socket), services->options.tls.get()),
      services_(std::move(services)),
      loop_(std::move(loop)) {
  services_->connections.fetch_add(1, std::memory_order_relaxed);
}

Connection::~Connection() {
  services_->memory.fetch_sub(charged_, std::memory_order_relaxed);
  services_->connections.fetch_sub(1, std::memory_order_relaxed);
}

void Connection::Start() {
  asio::error_code ignored;
  transport_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  ShakeHands([this] {
    Peer peer;
    asio::error_code gone;
    const auto remote = transport_.socket().remote_endpoint(gone);
    if (!gone) peer.address = remote.address().to_string();
    peer.certificate_subject = transport_.PeerSubject();
    peer_ = std::make_shared<const Peer>(std::move(peer));
    EnterPhase(Phase::kIdle);
    Read();
  });
}

void Connection::TurnAway(const Problem& problem) {
  ShakeHands([this, problem] {
    Refuse(problem);
    Flush();
  });
}

// `then` at once where no handshake is needed.
void Connection::ShakeHands(std::function<void()> then) {
  if (!transport_.needs_handshake()) return then();
  EnterPhase(Phase::kHandshake);
  transport_.Handshake([self = shared_from_this(), then = std::move(then)](
                           const asio::error_code& error, size_t /*size*/) {
    if (self->closed_) return;
    if (error) return self->Linger();  // or the alert, which says why, would be lost
    then();
  });
}

void Connection::EnterPhase(Phase phase) {
  phase_ = phase;
  phase_since_ = std::chrono::steady_clock::now();
}

std::optional<Connection::TimePoint> Connection::Deadline() const {
  const Deadlines& deadlines = services_->options.deadlines;
  if (outbox_.writing()) return write_since_ + deadlines.write;
  switch (phase_) {
    case Phase::kHandshake:
      return phase_since_ + deadlines.handshake;
    case Phase::kIdle:
      if (!outbox_.empty()) return std::nullopt;  // waiting for the gate, not for the client
      return phase_since_ + (services_->draining ? std::chrono::milliseconds(0) : deadlines.idle);
    case Phase::kHead:
      return phase_since_ + deadlines.head;
    case Phase::kBody:
      return BodyDeadline();
    case Phase::kServing:
    case Phase::kStreaming:
      return std::nullopt;
    case Phase::kLingering:
      return phase_since_ + kLingerTime;
  }
  return std::nullopt;
}

// The earlier of the end of its time and the moment at which it would be slower than it may. What
// has come but was not looked at yet counts: that it waits is our doing.
Connection::TimePoint Connection::BodyDeadline() const {
  const Deadlines& deadlines = services_->options.deadlines;
  const size_t come = in_.size() + (parser_ == nullptr ? 0 : parser_->body_bytes());
  const std::chrono::milliseconds paid_for(come * 1'000 / deadlines.body_bytes_per_s);
  return phase_since_ + std::min(deadlines.body, deadlines.body_grace + paid_for);
}

void Connection::Tick(TimePoint now) {
  if (!closed_ && parked_ && services_->draining) AskAgain(serving_->number);
  if (!closed_ && intake_ != nullptr && intake_->IsOverdue(services_->options.deadlines, now)) {
    FailIntake({.code = "request_timeout", .detail = "the request did not arrive in time"});
    Flush();
  }
  const std::optional<TimePoint> deadline = Deadline();
  if (closed_ || !deadline.has_value() || now < *deadline) return;
  const bool arriving = phase_ == Phase::kHead || phase_ == Phase::kBody;
  if (arriving && !outbox_.writing() && !no_more_requests_) {
    Refuse({.code = "request_timeout", .detail = "the request did not arrive in time"});
    Flush();
    return;
  }
  Close();
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  const std::shared_ptr<Connection> self = shared_from_this();
  loop_->connections.erase(self);
  outbox_.Drop();
  if (parked_) services_->parked.fetch_sub(1, std::memory_order_relaxed);
  parked_ = false;
  park_timer_.reset();
  // A handler on the pool still uses it; OnAsked drops it then.
  if (!asking_) EndServing();
  const bool mid_answer = stream_ != nullptr && !stream_->framed();
  intake_.reset();
  stream_.reset();
  mid_answer ? transport_.Abort() : transport_.Close();
}

// Not ahead of what a client may have in flight: its next request, or the rest of a body that is
// not taken as fast as it comes, can wait in the kernel.
bool Connection::WantsInput() {
  if (intake_ == nullptr) {
    const RequestLimits& limits = services_->options.limits;
    return in_.size() < limits.head_bytes + limits.body_bytes;
  }
  intake_->SetWilling(intake_->has_room(), std::chrono::steady_clock::now());
  return intake_->has_room() && in_.size() < kIntakeBytes;
}

void Connection::Read() {
  if (closed_ || in_.filling() || input_ended_ || !WantsInput()) return;
  const std::span<char> room = in_.Fill(ReadBytes());
  transport_.ReadSome(room.data(), room.size(),
                      [self = shared_from_this()](const asio::error_code& error, size_t size) {
                        self->in_.Filled(size);
                        self->OnRead(error);
                      });
}

size_t Connection::ReadBytes() const { return intake_ != nullptr ? kIntakeBytes : kReadBytes; }

void Connection::OnRead(const asio::error_code& error) {
  if (closed_) return;
  if (error == asio::error::eof) return OnEndOfInput();
  if (error) return Close();
  if (phase_ == Phase::kLingering || drops_input_) {
    in_.Drop(ReadBytes());
    (void)Recharge();
    return Read();
  }
  if (!Recharge()) {
    if (intake_ != nullptr) {
      FailIntake(TooManyBytes());
      return Advance();
    }
    if (!IsBusy()) {
      Refuse(TooManyBytes());
      return Flush();
    }
    // In its turn: what is being answered now comes first.
    refused_later_ = no_more_requests_ = drops_input_ = true;
    parser_.reset();
    in_.Drop(ReadBytes());
    (void)Recharge();
    return Read();
  }
  Advance();
}

void Connection::OnEndOfInput() {
  input_ended_ = true;
  // A client may shut its sending side down and still want the answers it has asked for. One that
  // waits for somebody else's run and hangs up is gone, though; one whose body broke off is told
  // so.
  const bool waits = parked_ && !serving_->exchange.stalled() && intake_ == nullptr;
  if (waits || phase_ == Phase::kLingering) return Close();
  Advance();
}

void Connection::Advance() {
  FeedIntake();
  while (!closed_ && !IsBusy() && !no_more_requests_ && outbox_.size() < kPipelineMax &&
         outbox_.bytes() < kOutboxBytes && ParseNext()) {
  }
  if (closed_) return;
  Flush();
  if (Owes()) return Read();
  Close();
}

// Whether anything may still come of this connection: input, or an answer.
bool Connection::Owes() const {
  return !input_ended_ || IsBusy() || !outbox_.empty() || outbox_.writing();
}

// True when a request was taken off the input.
bool Connection::ParseNext() {
  if (in_.empty() && (parser_ == nullptr || !parser_->head_done())) {
    if (phase_ != Phase::kIdle) EnterPhase(Phase::kIdle);
    return false;
  }
  const ListenerOptions& options = services_->options;
  if (parser_ == nullptr) {
    parser_ = std::make_unique<RequestParser>(options.limits, options.streams != nullptr);
  }
  if (phase_ != Phase::kHead && phase_ != Phase::kBody) EnterPhase(Phase::kHead);
  RequestParser::Progress progress = FeedParser();
  if (progress == RequestParser::Progress::kNeedsMore && parser_->at_head()) {
    if (options.streams(parser_->head(), *peer_)) {
      ServeStreamed();
      return true;
    }
    progress = FeedParser();
  }
  switch (progress) {
    case RequestParser::Progress::kRefused:
      Refuse(parser_->refusal());
      return false;
    case RequestParser::Progress::kNeedsMore:
      if (parser_->head_done() && phase_ == Phase::kHead) {
        if (options.wants_body && !options.wants_body(parser_->head(), *peer_)) {
          ServeWithoutBody();
          return true;
        }
        EnterPhase(Phase::kBody);
        if (parser_->expects_continue() && !continue_sent_) {
          continue_sent_ = true;
          Push(kContinue, /*last=*/false);
        }
      }
      return false;
    case RequestParser::Progress::kComplete:
      break;
  }
  Request request = parser_->TakeRequest();
  parser_.reset();
  continue_sent_ = false;
  Serve(std::move(request));
  return true;
}

RequestParser::Progress Connection::FeedParser() {
  size_t consumed = 0;
  const RequestParser::Progress progress = parser_->Feed(in_.rest(), &consumed);
  in_.Consume(consumed, ReadBytes());
  return progress;
}

void Connection::ServeWithoutBody() {
  Request request = parser_->TakeRequest();
  parser_.reset();
  request.body.clear();
  request.keep_alive = false;
  no_more_requests_ = true;
  Serve(std::move(request));
}

void Connection::Refuse(const Problem& problem) {
  // Now: the problem may be the parser's own.
  const bool has_head = parser_ != nullptr && parser_->head_done();
  Tag tag{.status = StatusOf(problem),
          .begun = std::chrono::steady_clock::now(),
          .method = KnownMethod(has_head ? std::string_view(parser_->head().method) : ""),
          .request_id = RequestId::Of(has_head ? parser_->head().Header(kRequestIdHeader) : ""),
          .peer = peer_};
  std::string answer = LastAnswer(problem, tag.request_id.text());
  no_more_requests_ = true;
  parser_.reset();
  EndIntake();
  EnterPhase(Phase::kIdle);
  Push(std::move(answer), /*last=*/true, std::move(tag));
}

void Connection::Push(std::string bytes, bool last, Tag tag) {
  tag.bytes_out = bytes.size();
  outbox_.Add(std::make_shared<Answer>(
      Answer{.tag = std::move(tag), .bytes = std::move(bytes), .ready = true, .last = last}));
}

void Connection::Flush() {
  if (closed_) return;
  const bool answered = TakeOfStream();
  if (closed_) return;
  const std::string* bytes = outbox_.BeginWrite(services_->options.leaves);
  if (bytes == nullptr) {
    if (outbox_.wrote_last() && phase_ != Phase::kLingering) return Linger();
    if (answered) Advance();
    return;
  }
  write_since_ = std::chrono::steady_clock::now();
  transport_.WriteAll(*bytes,
                      [self = shared_from_this()](const asio::error_code& error, size_t size) {
                        self->OnWritten(error, size);
                      });
}

void Connection::OnWritten(const asio::error_code& error, size_t size) {
  outbox_.Written(size);
  if (closed_) return;
  if (error) return Close();
  if (outbox_.wrote_last()) return Linger();
  (void)Recharge();
  if (phase_ == Phase::kIdle) EnterPhase(Phase::kIdle);
  Advance();
}

// Closing with unread input would make the kernel send a reset, and the client lose the answer.
void Connection::Linger() {
  EndIntake();
  if (input_ended_) return Close();
  EnterPhase(Phase::kLingering);
  in_.Drop(ReadBytes());
  (void)Recharge();  // before the client can know
  transport_.FinishSending();
  Read();
}

// Accounts for what this connection keeps in memory. False when all of them keep too much.
bool Connection::Recharge() {
  size_t bytes = in_.size() + outbox_.bytes();
  if (serving_ != nullptr) bytes += serving_->exchange.request().body.size();
  if (parser_ != nullptr) bytes += parser_->body_bytes();
  if (intake_ != nullptr) bytes += intake_->pipe()->size();
  if (stream_ != nullptr) bytes += stream_->waiting();
  const size_t before = services_->memory.fetch_add(bytes - charged_, std::memory_order_relaxed);
  const size_t after = before + bytes - charged_;
  const bool grown = bytes > charged_;
  charged_ = bytes;
  return !grown || bytes <= kReadBytes || after <= services_->options.memory_max;
}

}  // namespace onced::wire

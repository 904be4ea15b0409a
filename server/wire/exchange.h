// SPDX-License-Identifier: MIT
// Exchange: what passes between a handler and the connection besides the request and the response:
// where it runs, until when the answer must be held, that there is none yet, what to undo if nobody
// gets it, and the pipes of bodies that are passed on while they come.
//
// Threads: a handler uses it only while it runs; a Waker from any thread at any time.
// Invariants: 1. An answer leaves only when the sequence number it was told is durable. 2. A
// parked request is asked again, with the same Exchange, when it is woken or its time is up, and
// holds no thread meanwhile. 3. When the connection is gone, so is the Kept state; it also goes
// when the answer is given, even one whose body is still to come.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/check.h"
#include "server/wire/pipe.h"
#include "server/wire/request_id.h"
#include "server/wire/request_parser.h"
#include "server/wire/tag.h"
#include "server/wire/trace_context.h"

namespace onced::wire {

// Who is at the other end: the same for every request of a connection.
struct Peer {
  std::string address;  // IPv4 or IPv6, without the port
  // Of a client certificate that was verified, as RFC 2253 writes it; empty without one.
  std::string certificate_subject;
};

// What a handler keeps from one ask of a parked request to the next.
struct Kept {
  virtual ~Kept() = default;
};

// An answer's body that comes through a pipe.
struct StreamTerms {
  std::shared_ptr<Pipe> pipe;
  std::optional<uint64_t> length;  // when it is known beforehand
  bool chunked = false;            // neither: it ends with the connection. For RequestHost to say
};

class Exchange {
 public:
  Exchange(Request request, std::shared_ptr<const Peer> peer, std::function<void()> waker,
           std::shared_ptr<Pipe> body_pipe = nullptr)
      : request_(std::move(request)),
        peer_(std::move(peer)),
        waker_(std::move(waker)),
        body_pipe_(std::move(body_pipe)) {
    ReadNames();
  }

  const Request& request() const { return request_; }
  const Peer& peer() const { return *peer_; }
  std::chrono::steady_clock::time_point begun() const { return begun_; }

  // Where the handler is asked: on a loop, where it must not block; on the pool, where it may; or,
  // because the pool has no room for it, to answer without blocking and at once.
  enum class Place : uint8_t { kLoop, kPool, kNoRoom };
  Place place() const { return place_; }
  // There is no answer yet: whatever the response says is dropped, and the handler is asked again
  // on the pool, or with kNoRoom.
  // REQUIRES: place() is kLoop.
  void GoToPool() {
    ONCED_CHECK(place_ == Place::kLoop);
    goes_to_pool_ = true;
  }

  // The answer may not leave before everything up to `sequence` is durable.
  void HoldUntil(uint64_t sequence) { sequence_ = std::max(sequence_, sequence); }

  // What the answer is counted as: the handler's business, and of who counts (ListenerOptions).
  void Mark(uint8_t mark) { mark_ = mark; }
  uint8_t mark() const { return mark_; }

  // Which request this is, and of which trace: see there. The answer names the id, unless it is
  // another server's that has one of its own.
  const RequestId& request_id() const { return request_id_; }
  const TraceContext& trace() const { return trace_; }
  // For a request without a trace, or with what is none: it has one from here on.
  void BeginTrace() { trace_ = TraceContext::New(); }

  // Which of the door's routes it takes, and where it goes on to: names that live as long as
  // `names`, or, without, as the listener.
  void Takes(std::string_view route, std::string_view upstream = {},
             std::shared_ptr<const void> names = nullptr) {
    route_ = route;
    upstream_ = upstream;
    names_ = std::move(names);
  }
  // The key it is about. It is told as a hash.
  void IsAbout(std::string_view key) { key_ = key; }

  // There is no answer yet: whatever the response says is dropped, and the handler is asked again
  // after `time`, or earlier when a Waker is called.
  // REQUIRES: may_park().
  void Park(std::chrono::milliseconds time) {
    parked_for_ = time;
    waited_ = true;
    stalled_since_.reset();
  }
  // The same for a moment, because the store would not take a write just now; for `patience` in a
  // row. False when that is over, or may_park() is: the answer must be what it is. Unlike one who
  // waits for somebody else's run, a client that has finished sending is still answered.
  bool Stall(std::chrono::milliseconds pause, std::chrono::milliseconds patience) {
    const auto now = std::chrono::steady_clock::now();
    if (!stalled_since_.has_value()) stalled_since_ = now;
    if (draining_ || now - *stalled_since_ >= patience) return false;
    parked_for_ = pause;
    return true;
  }
  // False when the listener is stopping: the answer must be what it is now.
  bool may_park() const { return !draining_; }
  std::function<void()> Waker() const { return waker_; }
  std::unique_ptr<Kept> kept;

  // `undo` is called when the connection dies before a byte of this answer was written.
  void IfUnsent(std::function<void()> undo) { if_unsent_ = std::move(undo); }

  // The body of a streamed request (ListenerOptions::streams); null: request() has it. It breaks
  // when the client goes, sends no right body or too slowly, and when an answer without
  // StreamAnswer is given before its end. Nobody need read it: Abandon it, or leave it.
  const std::shared_ptr<Pipe>& body_pipe() const { return body_pipe_; }
  // Of a streamed one too; -1: it comes in chunks.
  int64_t body_length() const { return request_.body_length; }

  // The response's body is not used, but comes through `pipe`: with its `length` when that is
  // known, in chunks or to the connection's end when not. When the pipe breaks, or has another
  // length, the connection is cut; the end of the connection abandons the pipe. A request body that
  // has not ended by now is the connection's last, and goes on into its pipe until the answer ends.
  void StreamAnswer(std::shared_ptr<Pipe> pipe, std::optional<uint64_t> length) {
    stream_ = StreamTerms{.pipe = std::move(pipe), .length = length};
  }
  // The response is another server's: only its framing is ours. `headers` go out in their order,
  // before those of the Response, which knows no order.
  void AnswerAsIs(HeaderList headers = {}) {
    as_is_ = true;
    headers_ = std::move(headers);
  }
  // The Content-Length of an answer that has no body: to HEAD, or with 304. Without it one that is
  // passed on as it is has none.
  void ClaimLength(uint64_t length) { claimed_length_ = length; }

  // For the connection.
  void BeginAsk(bool draining, Place place = Place::kLoop) {
    parked_for_.reset();
    draining_ = draining;
    place_ = place;
    goes_to_pool_ = false;
    was_on_pool_ = was_on_pool_ || place == Place::kPool;
    ForgetAnswer();
  }
  void ForgetAnswer() {
    if (stream_.has_value()) stream_->pipe->Abandon();
    stream_.reset();
    claimed_length_.reset();
    as_is_ = false;
    headers_.clear();
  }
  bool goes_to_pool() const { return goes_to_pool_; }
  // Ever: then what it keeps, and what undoes its answer, may block as well.
  bool was_on_pool() const { return was_on_pool_; }
  std::optional<StreamTerms> TakeStream() { return std::exchange(stream_, std::nullopt); }
  bool as_is() const { return as_is_; }
  const HeaderList& headers() const { return headers_; }
  std::optional<uint64_t> claimed_length() const { return claimed_length_; }
  std::optional<std::chrono::milliseconds> parked_for() const { return parked_for_; }
  // What is told of its answer. The key goes with it.
  Tag TakeTag(int status);
  bool stalled() const { return stalled_since_.has_value(); }
  uint64_t sequence() const { return sequence_; }
  std::function<void()> TakeIfUnsent() { return std::exchange(if_unsent_, nullptr); }

 private:
  void ReadNames();

  const Request request_;
  const std::shared_ptr<const Peer> peer_;
  const std::function<void()> waker_;
  const std::shared_ptr<Pipe> body_pipe_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  uint64_t sequence_ = 0;
  uint8_t mark_ = 0;
  bool waited_ = false;
  bool draining_ = false;
  Place place_ = Place::kLoop;
  bool goes_to_pool_ = false;
  bool was_on_pool_ = false;
  RequestId request_id_;
  TraceContext trace_;
  std::string_view route_;
  std::string_view upstream_;
  std::shared_ptr<const void> names_;
  std::string key_;
  std::optional<std::chrono::milliseconds> parked_for_;
  std::optional<std::chrono::steady_clock::time_point> stalled_since_;
  std::function<void()> if_unsent_;
  std::optional<StreamTerms> stream_;
  std::optional<uint64_t> claimed_length_;
  bool as_is_ = false;
  HeaderList headers_;
};

}  // namespace onced::wire

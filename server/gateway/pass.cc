// SPDX-License-Identifier: MIT
#include "server/gateway/pass.h"

#include <algorithm>
#include <utility>

#include "server/gateway/breaker.h"
#include "server/gateway/header_rules.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::hours kStreamMax{1};

}  // namespace

void Passage::Start(UpstreamRequest request) {
  request_body_ = request.body_pipe;
  (void)services_->runs->Call(std::move(request), shared_from_this());
}

void Passage::Abandon(bool timed_out) {
  if (!box_.Drop()) return;  // the connection has the answer's pipe, and lets go of that
  (void)services_->runs->Post([self = shared_from_this(), timed_out] { self->Cancel(timed_out); });
}

void Passage::Cancel(bool timed_out) {
  cancelled_ = true;
  timed_out_ = timed_out;
  services_->runs->upstreams().Cancel(call_);
}

void Passage::OnHead(int status, HeaderList headers, int64_t length) {
  status_ = answer_.status = status;
  answer_.headers = HeadersForClient(std::move(headers));
  if (length >= 0) answer_.length = static_cast<uint64_t>(length);
  // Most answers are whole by the end of this turn of the loop.
  (void)services_->runs->Post([self = shared_from_this()] {
    if (!self->ended_ && !self->streams_) self->BeginStream();
  });
}

void Passage::BeginStream() {
  streams_ = true;
  pipe_ = std::make_shared<wire::Pipe>(kAnswerRoom);
  pipe_->OnRoom([weak = weak_from_this()] {
    const std::shared_ptr<Passage> self = weak.lock();
    if (self == nullptr) return;
    (void)self->services_->runs->Post([self] {
      if (self->pipe_->abandoned()) return self->Cancel(/*timed_out=*/false);
      self->services_->runs->upstreams().Resume(self->call_);
    });
  });
  (void)pipe_->Write(std::exchange(answer_.body, {}));
  Telling telling = std::exchange(answer_, {});
  telling.pipe = pipe_;
  box_.Put(std::move(telling));
}

bool Passage::OnBody(std::string_view bytes) {
  if (!streams_ && answer_.body.size() + bytes.size() > kAnswerRoom) BeginStream();
  if (streams_) return pipe_->Write(bytes);
  answer_.body.append(bytes);
  return true;
}

void Passage::OnEnd(CallEnd end, std::string why) {
  ended_ = true;
  TellBreaker(end);
  if (!why.empty() && !cancelled_) {
    services_->report(LogEvent::kUpstreamFault, route_->name + ": " + why);
  }
  if (streams_) {
    pipe_->Close(end == CallEnd::kWhole ? wire::Pipe::End::kWhole : wire::Pipe::End::kBroken);
    return;
  }
  box_.Put(end == CallEnd::kWhole ? std::exchange(answer_, {}) : Failure(end));
}

// What the client did, or did not, is not the upstream's failure.
void Passage::TellBreaker(CallEnd end) {
  const steady_clock::time_point now = steady_clock::now();
  Breaker& breaker = *route_->breaker;
  const bool body_broke = request_body_ != nullptr && request_body_->broken();
  if (end == CallEnd::kWhole && !SaysItCannotServe(status_)) {
    breaker.Succeeded(now, breaker_pass_);
  } else if (!timed_out_ && (cancelled_ || body_broke)) {
    breaker.Forgotten(now, breaker_pass_);
  } else {
    breaker.Failed(now, breaker_pass_);
  }
}

Telling Passage::Failure(CallEnd end) const {
  if (end == CallEnd::kNotSent) {
    return ProblemTelling(route_->profile, UpstreamUnreachable());
  }
  return ProblemTelling(
      route_->profile,
      {.code = "upstream_failed", .detail = "the request was sent on, and no whole answer came"});
}

Pass::Pass(GatewayServices* services, std::shared_ptr<const Route> route, Principal principal)
    : services_(services), route_(std::move(route)), principal_(std::move(principal)) {}

Pass::~Pass() {
  if (passage_ != nullptr) passage_->Abandon(/*timed_out=*/false);
}

std::optional<Telling> Pass::Ask(wire::Exchange& exchange) {
  if (passage_ == nullptr) {
    Breaker::Pass breaker_pass = 0;
    const auto away = route_->breaker->RefusedFor(steady_clock::now(), &breaker_pass);
    if (away.has_value() && !route_->shadow) {  // who only watches refuses nothing
      services_->counts.suspended.fetch_add(1, std::memory_order_relaxed);
      return ProblemTelling(route_->profile, UpstreamSuspended(*away));
    }
    services_->counts.passed.fetch_add(1, std::memory_order_relaxed);
    passage_ = std::make_shared<Passage>(services_, route_, breaker_pass);
    passage_->Start(RequestFor(exchange));
  }
  exchange.Mark(static_cast<uint8_t>(CameTo::kPassed));
  if (std::optional<Telling> telling = passage_->box().Fetch(exchange.Waker())) return telling;
  // Also while stopping: it ends by its deadline.
  const steady_clock::time_point now = steady_clock::now();
  const std::shared_ptr<wire::Pipe>& body = exchange.body_pipe();
  if (body == nullptr) body_ended_ = exchange.begun();
  if (!body_ended_.has_value() && body->whole()) body_ended_ = now;
  const auto end =
      body_ended_.has_value() ? *body_ended_ + route_->deadline : exchange.begun() + kStreamMax;
  const auto left = std::chrono::ceil<milliseconds>(end - now);
  if (left.count() > 0) {
    exchange.Park(std::min(left, route_->deadline));  // to see whether the body has ended meanwhile
    return std::nullopt;
  }
  passage_->Abandon(/*timed_out=*/true);
  return ProblemTelling(route_->profile, {.code = "upstream_timeout",
                                          .detail = "the request was sent on, and no answer came "
                                                    "in time"});
}

UpstreamRequest Pass::RequestFor(wire::Exchange& exchange) const {
  const wire::Request& request = exchange.request();
  return {.origin = route_->origin,
          .method = request.method,
          .target = request.target,
          .headers = HeadersForUpstream(request, exchange.peer(),
                                        {.tls = services_->tls,
                                         .trusted = principal_.trusted,
                                         .principal_header = services_->principal_header,
                                         .request_id = exchange.request_id().text(),
                                         .trace = exchange.trace(),
                                         .drop_authorization = principal_.caller.has_value()}),
          .body = request.body,
          .body_pipe = exchange.body_pipe(),
          .body_length = exchange.body_length(),
          .deadline = kStreamMax};
}

}  // namespace onced

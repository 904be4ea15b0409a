// SPDX-License-Identifier: MIT
// The half of Connection that has a request answered: by its loop or the pool, at once or again and
// again while it is parked, until the answer is finished and waits at the gate.
#include <asio/post.hpp>
#include <utility>

#include "server/wire/connection.h"

namespace onced::wire {

void Connection::Serve(Request request, std::shared_ptr<Pipe> body_pipe) {
  // Strangers with half a body each must not make a living process look dead.
  const bool full =
      services_->memory.load(std::memory_order_relaxed) > services_->options.memory_max;
  if (full && !services_->options.is_probe(PathOf(request.target))) return Refuse(TooManyBytes());
  EnterPhase(Phase::kServing);
  services_->requests.fetch_add(1, std::memory_order_relaxed);
  const uint64_t number = ++served_;
  const bool keep_alive = request.keep_alive && !services_->draining;
  auto waker = [weak = weak_from_this(), number, loop = loop_] { loop->Wake(weak, number); };
  serving_.reset(new Serving{
      .number = number,
      .exchange = Exchange(std::move(request), peer_, std::move(waker), std::move(body_pipe)),
      .keep_alive = keep_alive});
  Ask();
}

void Connection::Ask() {
  Exchange& exchange = serving_->exchange;
  asking_ = true;
  woken_ = false;
  const bool at_the_door =
      loop_->is_door && !services_->options.is_probe(PathOf(exchange.request().target));
  if (at_the_door || services_->options.blocks(exchange.request())) return AskOnPool();
  exchange.BeginAsk(services_->draining);
  Hosted hosted = services_->host.Run(exchange, !serving_->keep_alive);
  if (exchange.goes_to_pool()) return AskOnPool();
  OnAsked(std::move(hosted));
}

void Connection::AskOnPool() {
  Exchange& exchange = serving_->exchange;
  const bool last = !serving_->keep_alive;
  const auto ask = [self = shared_from_this(), &exchange, last,
                    since = std::chrono::steady_clock::now()] {
    const Services& services = *self->services_;
    // The loop lets go of it, whose own it is.
    if (services.pool->refuses()) return asio::post(self->loop_->context, [self] {});
    const bool late = std::chrono::steady_clock::now() - since > services.options.pool_patience;
    exchange.BeginAsk(services.draining, late ? Exchange::Place::kNoRoom : Exchange::Place::kPool);
    Hosted hosted = services.host.Run(exchange, last);
    // Here, where it may block, as it may again when it is parked and its client goes.
    if (!exchange.parked_for().has_value()) exchange.kept.reset();
    asio::post(self->loop_->context, [self, hosted = std::move(hosted)]() mutable {
      self->OnAsked(std::move(hosted));
      self->Advance();
    });
  };
  const bool taken = services_->pool.has_value() && services_->pool->TryPost(ask);
  if (taken) return;
  exchange.BeginAsk(services_->draining, Exchange::Place::kNoRoom);
  OnAsked(services_->host.Run(exchange, last));
}

// On a loop that is to go on, what may have to ask the store must not be done.
std::function<void()> Connection::TakeUndo() {
  std::function<void()> undo = serving_->exchange.TakeIfUnsent();
  if (undo == nullptr || !serving_->exchange.was_on_pool()) return undo;
  return [services = services_, undo = std::move(undo)] {
    // Behind the pool's end there is no loop that goes on, either.
    services->pool.has_value() ? services->pool->Post(undo) : undo();
  };
}

void Connection::EndServing() {
  if (serving_ == nullptr) return;
  std::unique_ptr<Kept>& kept = serving_->exchange.kept;
  // Behind the pool's end it goes here.
  if (kept != nullptr && serving_->exchange.was_on_pool() && services_->pool.has_value()) {
    services_->pool->Post([kept = std::move(kept)]() mutable { kept.reset(); });
  }
  serving_.reset();
}

// Nobody is there any more to be given it, or it may not be given.
void Connection::DropAnswer(Hosted hosted) {
  if (const auto undo = TakeUndo()) undo();
  if (hosted.stream.has_value()) hosted.stream->pipe->Abandon();
  EndServing();
  if (!closed_) Refuse(*std::exchange(intake_failure_, std::nullopt));
}

void Connection::OnAsked(Hosted hosted) {
  asking_ = false;
  if (closed_ || intake_failure_.has_value()) return DropAnswer(std::move(hosted));
  Exchange& exchange = serving_->exchange;
  if (exchange.parked_for().has_value()) return ArmPark(*exchange.parked_for());
  const bool streams = hosted.stream.has_value();
  Tag tag = exchange.TakeTag(hosted.status);
  tag.bytes_out = hosted.bytes.size();
  auto answer = std::make_shared<Answer>(Answer{.tag = std::move(tag),
                                                .bytes = std::move(hosted.bytes),
                                                .if_unsent = TakeUndo(),
                                                .last = hosted.last && !streams});
  const uint64_t sequence = exchange.sequence();
  if (hosted.last) no_more_requests_ = true;
  EndServing();
  if (streams) {
    stream_ = std::make_unique<AnswerStream>(*std::move(hosted.stream), hosted.last);
    stream_->OnReadable(Later(&Connection::Flush));
  } else if (intake_ != nullptr) {
    EndIntake();
  }
  EnterPhase(streams ? Phase::kStreaming : Phase::kIdle);
  outbox_.Add(answer);
  if (refused_later_ && !streams && !hosted.last) Refuse(TooManyBytes());
  (void)Recharge();
  const ListenerOptions& options = services_->options;
  if (options.is_durable && options.is_durable(sequence)) {
    answer->ready = true;  // whoever asked flushes
    return;
  }
  options.when_durable(
      sequence, [weak = weak_from_this(), answer, loop = loop_] { loop->Release(weak, answer); });
}

void Connection::ArmPark(std::chrono::milliseconds time) {
  if (!parked_) services_->parked.fetch_add(1, std::memory_order_relaxed);
  parked_ = true;
  (void)Recharge();
  if (park_timer_ == nullptr) park_timer_ = std::make_unique<asio::steady_timer>(loop_->context);
  park_timer_->expires_after(time);
  park_timer_->async_wait(
      [weak = weak_from_this(), number = serving_->number](const asio::error_code& error) {
        if (error) return;
        if (const std::shared_ptr<Connection> self = weak.lock()) self->AskAgain(number);
      });
  if (woken_) loop_->Wake(weak_from_this(), serving_->number);
}

void Connection::AskAgain(uint64_t number) {
  if (closed_ || serving_ == nullptr || serving_->number != number) return;
  // A handler on the pool may be woken before its answer "not yet" has come back from there.
  if (asking_) woken_ = true;
  if (!parked_) return;
  Unpark();
  Ask();
  Advance();
}

void Connection::Unpark() {
  parked_ = false;
  services_->parked.fetch_sub(1, std::memory_order_relaxed);
  park_timer_->cancel();
}

}  // namespace onced::wire

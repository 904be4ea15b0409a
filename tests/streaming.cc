// SPDX-License-Identifier: MIT
#include "tests/streaming.h"

#include <httplib.h>

#include <sstream>

namespace onced {

using wire::Pipe;

Mover::~Mover() {
  {
    MutexLock lock(mutex_);
    ends_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void Mover::Post(std::function<void()> task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  changed_.NotifyAll();
}

void Mover::Run() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !ends_) changed_.Wait(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void Relay::Start() {
  from_->OnReadable([self = shared_from_this()] { self->mover_->Post([self] { self->Move(); }); });
  to_->OnRoom([self = shared_from_this()] {
    self->mover_->Post([self] {
      self->room_ = true;
      self->Move();
    });
  });
  mover_->Post([self = shared_from_this()] { self->Move(); });
}

void Relay::Move() {
  if (to_->abandoned()) {
    from_->Abandon();
    return to_->Close(Pipe::End::kBroken);
  }
  while (room_) {
    const Pipe::Taken taken = from_->TakeSome(piece_);
    if (!taken.bytes.empty()) room_ = to_->Write(taken.bytes);
    most = std::max<size_t>(most, from_->size() + to_->size());
    if (taken.ended) {
      from_->Abandon();  // its callback holds this
      return to_->Close(taken.broken ? Pipe::End::kBroken : Pipe::End::kWhole);
    }
    if (taken.bytes.empty()) return;
  }
}

std::shared_ptr<Pipe> NewPipe() { return std::make_shared<Pipe>(64 * 1024); }

wire::ListenerOptions StreamingOptions(ServeFunction serve) {
  wire::ListenerOptions options = OptionsFor(std::move(serve));
  options.streams = [](const wire::Request&, const wire::Peer&) { return true; };
  return options;
}

ServeFunction EchoStream(Mover* mover, std::shared_ptr<Relay>* relay, EchoTerms terms) {
  return [mover, relay, terms](httplib::Response& response, wire::Exchange& exchange) {
    response.status = 200;
    if (exchange.body_pipe() == nullptr) {
      response.body = exchange.request().target + exchange.request().body;
      return;
    }
    const auto answer = std::make_shared<Pipe>(terms.room);
    const auto moves = std::make_shared<Relay>(mover, exchange.body_pipe(), answer, terms.piece);
    if (relay != nullptr) *relay = moves;
    std::optional<uint64_t> length;
    if (terms.tells_length && exchange.body_length() >= 0)
      length = static_cast<uint64_t>(exchange.body_length());
    exchange.StreamAnswer(answer, length);
    moves->Start();
  };
}

std::string Chunk(const std::string& bytes) {
  std::ostringstream size;
  size << std::hex << bytes.size();
  return size.str() + "\r\n" + bytes + "\r\n";
}

std::string HeadFor(const std::string& target, int64_t length) {
  return "POST " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
         (length < 0 ? "Transfer-Encoding: chunked" : "Content-Length: " + std::to_string(length)) +
         "\r\n\r\n";
}

}  // namespace onced

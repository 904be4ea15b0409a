// SPDX-License-Identifier: MIT
#include "bench/load.h"

#include <algorithm>
#include <array>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <deque>
#include <memory>
#include <utility>

#include "bench/answer_reader.h"
#include "bench/child.h"

namespace onced::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kSlice{100};

class Runner;

// One connection, and the operation that it is at.
class Client {
 public:
  Client(Runner* runner, asio::io_context* loop, const LoadPlan& plan);

  // `due` is when the operation begins, or should have begun.
  void Begin(int64_t operation, Clock::time_point due);

 private:
  void Send(std::string request);
  void Receive();
  void Heard(size_t size);

  Runner* const runner_;
  asio::ip::tcp::socket socket_;
  AnswerReader reader_;
  std::string out_;
  std::array<char, 65536> in_;
  int64_t operation_ = 0;
  int step_ = 0;
  Clock::time_point due_;
};

// All of a run.
class Runner {
 public:
  Runner(const LoadPlan& plan, Script* script) : plan_(plan), script_(*script), timer_(loop_) {}

  LoadResult Run();
  Script& script() { return script_; }
  // `client` has ended what was due then, and may begin another.
  void Ended(Client* client, Clock::time_point due);

 private:
  void BeginNext(Client* client, Clock::time_point due);
  void BeginThoseDue();
  Clock::time_point DueTime(int64_t operation) const;
  bool IsClosedLoop() const { return plan_.per_second == 0; }

  const LoadPlan& plan_;
  Script& script_;
  asio::io_context loop_;
  asio::steady_timer timer_;
  std::deque<Client> clients_;
  std::vector<Client*> idle_;
  Clock::time_point start_;
  Clock::time_point measured_from_;
  Clock::time_point end_;
  int64_t under_way_ = 0;
  LoadResult result_;
};

Client::Client(Runner* runner, asio::io_context* loop, const LoadPlan& plan)
    : runner_(runner), socket_(*loop), reader_(plan.protocol) {
  asio::error_code error;
  socket_.connect({asio::ip::make_address("127.0.0.1"), static_cast<uint16_t>(plan.port)}, error);
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (error) Fail("the load cannot connect: " + error.message());
}

void Client::Begin(int64_t operation, Clock::time_point due) {
  operation_ = operation;
  step_ = 0;
  due_ = due;
  Send(runner_->script().Begin(operation));
}

void Client::Send(std::string request) {
  out_ = std::move(request);
  asio::async_write(socket_, asio::buffer(out_), [this](asio::error_code error, size_t) {
    if (error) Fail("a request cannot be sent: " + error.message());
    Receive();
  });
}

void Client::Receive() {
  socket_.async_read_some(asio::buffer(in_), [this](asio::error_code error, size_t size) {
    if (error) Fail("a request is not answered: " + error.message());
    Heard(size);
  });
}

void Client::Heard(size_t size) {
  reader_.Received(in_.data(), size);
  const std::optional<Answer> answer = reader_.Whole();
  if (!answer.has_value()) return Receive();
  std::string next = runner_->script().GoOn(operation_, step_++, *answer);
  reader_.Drop();
  if (!next.empty()) return Send(std::move(next));
  runner_->Ended(this, due_);
}

Clock::time_point Runner::DueTime(int64_t operation) const {
  return start_ + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(operation) /
                                                                plan_.per_second * 1e9));
}

void Runner::BeginNext(Client* client, Clock::time_point due) {
  ++under_way_;
  client->Begin(result_.begun++, due);
}

void Runner::BeginThoseDue() {
  const Clock::time_point now = Clock::now();
  Clock::time_point due = DueTime(result_.begun);
  while (due <= now && due < end_ && !idle_.empty()) {
    Client* const client = idle_.back();
    idle_.pop_back();
    BeginNext(client, due);
    due = DueTime(result_.begun);
  }
  // With none idle the next one begins when one has ended.
  if (due >= end_ || idle_.empty()) return;
  timer_.expires_at(due);
  timer_.async_wait([this](asio::error_code error) {
    if (!error) BeginThoseDue();
  });
}

void Runner::Ended(Client* client, Clock::time_point due) {
  const Clock::time_point now = Clock::now();
  const auto took = std::chrono::duration_cast<microseconds>(now - due).count();
  --under_way_;
  if (now >= measured_from_ && now < end_) {
    ++result_.operations;
    Slice& slice = result_.slices[static_cast<size_t>((now - measured_from_) / kSlice)];
    ++slice.ended;
    slice.slowest_us = std::max<int64_t>(slice.slowest_us, took);
  }
  if (IsClosedLoop() ? now >= measured_from_ && now < end_ : due >= measured_from_) {
    result_.latency_us.Record(took);
  }
  if (IsClosedLoop()) {
    if (now < end_) BeginNext(client, now);
    return;
  }
  const bool nobody_was_idle = idle_.empty();
  idle_.push_back(client);
  if (nobody_was_idle) BeginThoseDue();
}

LoadResult Runner::Run() {
  for (int i = 0; i < plan_.connections; ++i) clients_.emplace_back(this, &loop_, plan_);
  start_ = Clock::now();
  measured_from_ = start_ + plan_.warm_up;
  end_ = measured_from_ + plan_.duration;
  result_.slices.resize(static_cast<size_t>((plan_.duration + kSlice) / kSlice));
  if (IsClosedLoop()) {
    for (Client& client : clients_) BeginNext(&client, start_);
  } else {
    for (Client& client : clients_) idle_.push_back(&client);
    BeginThoseDue();
  }
  loop_.run_until(end_ + kPatience);
  if (under_way_ > 0) Fail(std::to_string(under_way_) + " operations were never answered");
  result_.per_second = static_cast<double>(result_.operations) /
                       std::chrono::duration<double>(plan_.duration).count();
  return std::move(result_);
}

}  // namespace

LoadResult RunLoad(const LoadPlan& plan, Script* script) { return Runner(plan, script).Run(); }

}  // namespace onced::bench

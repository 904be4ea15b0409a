// SPDX-License-Identifier: MIT
#include "server/redis/redis_door.h"

#include <pthread.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/mutex.h"
#include "server/redis/heaviest.h"
#include "server/redis/redis_connection.h"
#include "server/wire/tls.h"

namespace onced {

using redis::Interpreter;
using redis::RedisConnection;
using redis::Session;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr size_t kTurnCommandsMax = 1'000;
constexpr size_t kTurnBytesMax = size_t{1} << 20;
constexpr size_t kBeside = size_t{1} << 20;            // a value may come with others
constexpr size_t kTurnAnswersMax = size_t{16} << 20;   // bytes of them
constexpr size_t kTurnMessagesMax = size_t{16} << 20;  // bytes of them, for all who listen
constexpr milliseconds kEndPatience{2'000};            // more than it looks at the time apart
constexpr milliseconds kReadPatience{5'000};           // at the end
constexpr milliseconds kAcceptPause{100};              // when there are no files left

constexpr std::string_view kNotWritten =
    "MISCONF Errors writing to the log: nothing of this was written";

int64_t BulkMax(size_t memory_max) {
  return std::min(redis::kBulkMax, static_cast<int64_t>(memory_max / 4));
}

std::string_view AnswerOf(const Status& fault) {
  switch (fault.fault()) {
    case Fault::kIoError:
    case Fault::kNoSpace:
      return redis::kUnknownWrite;
    case Fault::kUnreadable:
    case Fault::kCorruption:
      return redis::kUnreadable;
    default:
      return kNotWritten;
  }
}

}  // namespace

class RedisDoor::Impl : public redis::Turn, public std::enable_shared_from_this<Impl> {
 public:
  using Connection = std::shared_ptr<RedisConnection>;
  using Tcp = asio::ip::tcp;

  Impl(RedisDoorOptions options, const wire::Port& port)
      : options_(std::move(options)),
        port_(port.number()),
        interpreter_({.keyspace = options_.keyspace,
                      .authenticate = options_.authenticate,
                      .port = port_,
                      .version = options_.version,
                      .durability = options_.durability,
                      .report = options_.report,
                      .connections_max = options_.connections_max,
                      .bulk_max = BulkMax(options_.memory_max),
                      .answer_max = static_cast<size_t>(BulkMax(options_.memory_max)) + kBeside,
                      .memory_max = options_.memory_max,
                      .scripts = options_.scripts,
                      .meanwhile = [this] { AnswerMeanwhile(); },
                      .ledger = options_.ledger}) {}

  void Start(wire::Port& port) {
    acceptor_.assign(port.is_v6() ? Tcp::v6() : Tcp::v4(), port.Release());
    Accept();
    thread_ = std::thread([this] { Run(); });
  }
  bool Stop(milliseconds patience);
  void JudgeTokens();
  uint16_t port() const { return port_; }
  size_t connections() const { return open_.load(std::memory_order_relaxed); }

  bool IsFull() const override {
    return commands_ >= kTurnCommandsMax || options_.keyspace->pending_bytes() >= kTurnBytesMax ||
           answer_bytes_ >= kTurnAnswersMax || weight_ > options_.memory_max ||
           interpreter_.channels().sent_bytes() >= kTurnMessagesMax;
  }
  bool HasBegun() const override { return !joined_.empty(); }
  void Joined(const Connection& connection) override {
    if (joined_.empty()) turn_begun_ = steady_clock::now();
    joined_.push_back(connection);
  }
  void GoOnLater(const Connection& connection) override { later_.push_back(connection); }
  void CommandRan(size_t answer) override {
    ++commands_;
    ++ran_;
    answer_bytes_ += answer;
  }
  void EndSoon() override {
    commands_ = kTurnCommandsMax;
    wrote_itself_ = true;
  }
  void Weighed(size_t before, size_t now) override { weight_ = weight_ - before + now; }
  void Gone(const Connection& connection) override { connections_.erase(connection->session().id); }

 private:
  struct Held {
    uint64_t sequence;
    steady_clock::time_point begun;
    uint64_t commands;
    std::vector<Connection> connections;
  };

  void Run();
  void Accept();
  void OnAccepted(const asio::error_code& error, Tcp::socket socket);
  void AnswerMeanwhile();
  void JoinTold();
  Connection Find(uint64_t session) const {
    const auto found = connections_.find(session);
    return found == connections_.end() ? nullptr : found->second;
  }
  void EndTurn();
  void CountTurn(steady_clock::time_point begun, uint64_t commands);
  Result<uint64_t> Commit();
  void CloseEnded();
  void CloseHeaviest();
  void LetLeave();
  void FinishAll();

  const RedisDoorOptions options_;
  const uint16_t port_;
  Interpreter interpreter_;
  asio::io_context context_{1};
  Tcp::acceptor acceptor_{context_};
  asio::steady_timer accept_again_{context_};
  std::unordered_map<uint64_t, Connection> connections_;  // by their sessions' ids

  std::atomic<size_t> open_{0};     // connections_, for other threads
  std::vector<Connection> joined_;  // in this turn
  steady_clock::time_point turn_begun_;
  std::vector<Connection> later_;  // in the next
  size_t commands_ = 0;
  uint64_t ran_ = 0;           // the same, also when it was told to end soon
  size_t answer_bytes_ = 0;    // of this turn
  bool wrote_itself_ = false;  // a command of this turn, of the ledger's
  size_t weight_ = 0;          // of all connections
  std::deque<Held> held_;      // turns whose answers wait at the gate, in order

  bool stopping_ = false;
  steady_clock::time_point stop_at_;
  Mutex mutex_;
  CondVar ended_now_;
  bool ended_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

void RedisDoor::Impl::Run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  const auto work = asio::make_work_guard(context_);
  for (;;) {
    if (later_.empty()) context_.run_one_for(std::chrono::seconds(1));
    for (const Connection& connection : std::exchange(later_, {})) connection->RunCommands();
    while (!IsFull() && context_.poll_one() > 0) {
    }
    EndTurn();
    CloseHeaviest();
    if (!stopping_) continue;
    const bool finished = connections_.empty() && held_.empty();
    if (finished || steady_clock::now() >= stop_at_) break;
  }
  for (const auto& [id, connection] : std::exchange(connections_, {})) connection->Close();
  held_.clear();
  MutexLock lock(mutex_);
  ended_ = true;
  ended_now_.NotifyAll();
}

// A script runs, and keeps others waiting: they hear so.
void RedisDoor::Impl::AnswerMeanwhile() {
  for (size_t events = 0; events < kTurnCommandsMax && context_.poll_one() > 0; ++events) {
  }
  for (const Connection& connection : std::exchange(later_, {})) connection->RunCommands();
  CloseHeaviest();
}

void RedisDoor::Impl::Accept() {
  acceptor_.async_accept([this](const asio::error_code& error, Tcp::socket socket) {
    OnAccepted(error, std::move(socket));
  });
}

void RedisDoor::Impl::OnAccepted(const asio::error_code& error, Tcp::socket socket) {
  // One may have been accepted just before the door closed.
  if (error == asio::error::operation_aborted || stopping_) return;
  if (error) {  // no files left, or the client has gone again
    accept_again_.expires_after(kAcceptPause);
    accept_again_.async_wait([this](const asio::error_code& cancelled) {
      if (!cancelled) Accept();
    });
    return;
  }
  if (connections_.size() >= options_.connections_max) {
    ++interpreter_.rejected_connections;
    constexpr std::string_view kTooMany = "-ERR max number of clients reached\r\n";
    asio::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.send(asio::buffer(kTooMany), 0, ignored);
  } else {
    const auto connection =
        std::make_shared<RedisConnection>(std::move(socket), options_.tls.get(), this,
                                          &interpreter_, options_.authenticate != nullptr);
    connection->Begin();
    connections_.emplace(connection->session().id, connection);
  }
  Accept();
}

// Tries for a while what the store would not take just now: what came in waits behind it.
Result<uint64_t> RedisDoor::Impl::Commit() {
  if (interpreter_.data().fault().has_value()) {
    const Status fault = *interpreter_.data().fault();
    interpreter_.data().ForgetFault();
    options_.keyspace->Abandon();
    return fault;
  }
  const auto until = steady_clock::now() + kStallPatience;
  for (;;) {
    Result<uint64_t> committed = options_.keyspace->Commit();
    if (committed.ok() || committed.status().fault() != Fault::kUnavailable) return committed;
    if (steady_clock::now() >= until) {
      options_.keyspace->Abandon();
      return committed;
    }
    std::this_thread::sleep_for(kStallPause);
  }
}

// Those who were sent messages have output in this turn.
void RedisDoor::Impl::JoinTold() {
  for (const uint64_t id : interpreter_.channels().TakeTold()) {
    const Connection connection = Find(id);
    if (connection == nullptr) continue;
    connection->session().close_now ? connection->Close() : connection->Join();
  }
}

// Every command of a turn is answered when the turn is; a script's are the script's.
void RedisDoor::Impl::CountTurn(steady_clock::time_point begun, uint64_t commands) {
  if (options_.ledger.tally == nullptr || commands == 0) return;
  const uint64_t counted = std::exchange(interpreter_.counted_commands, 0);
  options_.ledger.tally->Count(Door::kRedis, CameTo::kOther,
                               commands - std::min(counted, commands));
  options_.ledger.tally->Took(Door::kRedis, steady_clock::now() - begun, commands);
}

void RedisDoor::Impl::EndTurn() {
  JoinTold();
  if (joined_.empty()) return;
  const uint64_t commands = std::exchange(ran_, 0);
  open_.store(connections_.size(), std::memory_order_relaxed);
  commands_ = answer_bytes_ = 0;
  interpreter_.channels().ForgetSentBytes();
  const Result<uint64_t> committed = Commit();
  const bool wrote_itself = std::exchange(wrote_itself_, false);
  std::string_view error;
  if (!committed.ok()) {
    error = wrote_itself ? redis::kUnknownWrite : AnswerOf(committed.status());
    options_.report(LogEvent::kStorageFault, committed.status().message());
  }
  const bool leaves = !committed.ok() || (held_.empty() && options_.is_durable(*committed));
  Held held{.sequence = committed.ok() ? *committed : 0,
            .begun = turn_begun_,
            .commands = commands,
            .connections = {}};
  for (const Connection& connection : std::exchange(joined_, {})) {
    std::string answers = connection->TakeAnswers(error);
    if (leaves && held_.empty()) {
      connection->Send(&answers);
      // Nothing calls back for one that has stopped because of what it had to send.
      if (connection->stands()) later_.push_back(connection);
    } else {
      connection->Hold(std::move(answers));
      held.connections.push_back(connection);
    }
  }
  CloseEnded();
  if (held.connections.empty()) return CountTurn(held.begun, commands);
  const uint64_t sequence = held.sequence;
  held_.push_back(std::move(held));
  options_.when_durable(sequence, [weak = weak_from_this()] {
    const std::shared_ptr<Impl> self = weak.lock();
    if (self != nullptr) asio::post(self->context_, [self] { self->LetLeave(); });
  });
}

// The sessions that a command of this turn has ended.
void RedisDoor::Impl::CloseEnded() {
  for (const uint64_t id : interpreter_.TakeEnded()) {
    const Connection connection = Find(id);
    if (connection != nullptr) connection->Close();
  }
}

// Until there is a fourth of the room again.
void RedisDoor::Impl::CloseHeaviest() {
  if (weight_ <= options_.memory_max) return;
  const size_t excess = weight_ - options_.memory_max / 4 * 3;
  for (const Connection& connection : redis::HeaviestOf(connections_, excess)) {
    ++interpreter_.evicted_connections;
    connection->Close();
  }
}

void RedisDoor::Impl::JudgeTokens() {
  asio::post(context_, [weak = weak_from_this()] {
    const std::shared_ptr<Impl> self = weak.lock();
    if (self == nullptr || !self->options_.still_admits) return;
    for (const auto& [id, connection] : std::unordered_map(self->connections_)) {
      const Session& session = connection->session();
      if (session.tenant.empty()) continue;
      if (!self->options_.still_admits(session.tenant, session.token)) connection->Close();
    }
  });
}

void RedisDoor::Impl::LetLeave() {
  while (!held_.empty() && options_.is_durable(held_.front().sequence)) {
    const Held held = std::move(held_.front());
    held_.pop_front();
    CountTurn(held.begun, held.commands);
    // None runs on before all are sent: its command might be a script, and have this called again.
    for (const Connection& connection : held.connections) {
      connection->LetGo();
      later_.push_back(connection);
    }
  }
}

void RedisDoor::Impl::FinishAll() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  accept_again_.cancel();
  for (const auto& [id, connection] : std::unordered_map(connections_)) connection->Finish();
}

bool RedisDoor::Impl::Stop(milliseconds patience) {
  if (!thread_.joinable()) return true;
  interpreter_.scripts().EndAll();
  asio::post(context_, [this, patience] {
    stopping_ = true;
    // What was run is answered at once; what is left then is for those who do not read.
    stop_at_ = steady_clock::now() + std::min(patience, kReadPatience);
    FinishAll();
  });
  {
    const auto until = steady_clock::now() + patience + kEndPatience;
    MutexLock lock(mutex_);
    while (!ended_) {
      const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
      if (left.count() <= 0) return false;
      ended_now_.WaitFor(mutex_, left);
    }
  }
  thread_.join();
  return true;
}

Result<std::unique_ptr<RedisDoor>> RedisDoor::Start(RedisDoorOptions options,
                                                    std::unique_ptr<wire::Port> port) {
  auto impl = std::make_shared<Impl>(std::move(options), *port);
  impl->Start(*port);
  return std::unique_ptr<RedisDoor>(new RedisDoor(std::move(impl)));
}

RedisDoor::~RedisDoor() { (void)Stop(milliseconds(0)); }

uint16_t RedisDoor::port() const { return impl_->port(); }
size_t RedisDoor::connections() const { return impl_->connections(); }

void RedisDoor::JudgeTokens() { impl_->JudgeTokens(); }

bool RedisDoor::Stop(milliseconds patience) { return impl_->Stop(patience); }

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/postgres_pool.h"

namespace onced {

Result<std::unique_ptr<PostgresConnection>> PostgresPool::Reserve(
    std::chrono::steady_clock::time_point until) {
  MutexLock lock(mutex_);
  for (;;) {
    if (!idle_.empty()) {
      std::unique_ptr<PostgresConnection> connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
    if (open_ < most_) {
      ++open_;
      return std::unique_ptr<PostgresConnection>();
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return Status::Unavailable("connect to the database: all connections are in use");
    }
    freed_.WaitFor(mutex_, left);
  }
}

void PostgresPool::GoneOne() {
  MutexLock lock(mutex_);
  --open_;
  freed_.NotifyOne();
}

Result<PostgresPool::Lease> PostgresPool::Take() {
  const auto until = std::chrono::steady_clock::now() + timeouts_.connect;
  for (;;) {
    Result<std::unique_ptr<PostgresConnection>> reserved = Reserve(until);
    if (!reserved.ok()) return reserved.status();
    if (*reserved == nullptr) {
      PostgresTimeouts timeouts = timeouts_;
      timeouts.connect =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      Result<std::unique_ptr<PostgresConnection>> opened = PostgresConnection::Open(url_, timeouts);
      if (!opened.ok()) {
        GoneOne();
        return opened.status();
      }
      return Lease(this, std::move(*opened));
    }
    if ((*reserved)->SeemsAlive()) return Lease(this, std::move(*reserved));
    reserved->reset();
    GoneOne();
  }
}

Status PostgresPool::Ready() {
  {
    MutexLock lock(mutex_);
    if (idle_.empty() && open_ == most_) return Status::Ok();
  }
  // One that lies idle may be dead; that is found out here.
  const Result<Lease> lease = Take();
  return lease.ok() ? Status::Ok() : lease.status();
}

void PostgresPool::GiveBack(std::unique_ptr<PostgresConnection> connection) {
  if (connection->Settle()) {
    MutexLock lock(mutex_);
    idle_.push_back(std::move(connection));
    freed_.NotifyOne();
    return;
  }
  connection.reset();
  std::vector<std::unique_ptr<PostgresConnection>> doubted;
  MutexLock lock(mutex_);
  doubted.swap(idle_);  // closed when nothing is held any more: declared before the lock
  open_ -= 1 + doubted.size();
  freed_.NotifyAll();
}

PostgresAnswer PostgresPool::Run(std::span<const PostgresCall> calls) {
  Result<Lease> lease = Take();
  if (!lease.ok()) {
    return {.error = PostgresError{.kind = PostgresError::Kind::kNotSent,
                                   .state = "",
                                   .message = lease.status().message()},
            .rows = {},
            .asked_at = {}};
  }
  return (*lease)->Run(calls);
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// PostgresPool: so many connections at most, opened when they are needed and kept for the next. One
// that was lost is not given out again, nor are those that lay idle beside it: what ended one
// (a restart, a failover) has mostly ended all.
//
// Threads: any. Who takes a connection may hold stripes; who has one takes none. Who is about to
// take stripes first sees to it that there is one (Ready), so that stripes are hardly ever held
// while one is opened: to a database that does not answer that takes as long as it may.
// Invariants: 1. A connection belongs to one Lease at a time, and is in no transaction when the
// next one gets it. 2. Take waits for `connect` in all, for one that is free and for one that
// opens; the greeting takes as long again at most.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/mutex.h"
#include "engine/postgres_connection.h"

namespace onced {

class PostgresPool {
 public:
  // The right to use a connection, until it is destroyed.
  class Lease {
   public:
    Lease(PostgresPool* pool, std::unique_ptr<PostgresConnection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    ~Lease() {
      if (connection_ != nullptr) pool_->GiveBack(std::move(connection_));
    }
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;

    PostgresConnection* operator->() { return connection_.get(); }
    PostgresConnection& operator*() { return *connection_; }

   private:
    PostgresPool* pool_;
    std::unique_ptr<PostgresConnection> connection_;
  };

  PostgresPool(std::string url, PostgresTimeouts timeouts, size_t most)
      : url_(std::move(url)), timeouts_(timeouts), most_(most) {}

  // Unavailable: nobody there, or all are in use for as long as a connection may take to open.
  Result<Lease> Take();
  // Opens one, unless one lies idle or all are open. Unavailable: nobody there.
  Status Ready();
  // One round trip on any connection. kNotSent when there is none.
  PostgresAnswer Run(std::span<const PostgresCall> calls);
  // One that is nobody else's, beside those counted here.
  Result<std::unique_ptr<PostgresConnection>> OpenAnother() const {
    return PostgresConnection::Open(url_, timeouts_);
  }

 private:
  // One that lies idle, or the right to open one (nullptr).
  Result<std::unique_ptr<PostgresConnection>> Reserve(std::chrono::steady_clock::time_point until);
  void GiveBack(std::unique_ptr<PostgresConnection> connection);
  void GoneOne();

  const std::string url_;
  const PostgresTimeouts timeouts_;
  const size_t most_;
  Mutex mutex_;
  CondVar freed_;
  size_t open_ GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<PostgresConnection>> idle_ GUARDED_BY(mutex_);
};

}  // namespace onced

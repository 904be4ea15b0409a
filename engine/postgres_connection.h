// SPDX-License-Identifier: MIT
// PostgresConnection: one connection to a database that speaks PostgreSQL's protocol. It sends a
// few prepared statements together, in one round trip, and waits for their answers no longer than
// it was told to; what went wrong it tells by what that means for the statements: they may be tried
// again, they were refused, or nobody knows.
//
// Private to the engine's part for PostgreSQL; libpq's header stays in the .cc. TLS, hosts, user
// and password are as the URL and libpq's own environment have them (sslmode, PGPASSFILE).
//
// Threads: one at a time.
// Invariants: 1. No message has the URL or a password in it. 2. After kUnknown the connection is of
// no more use. 3. A call waits for `call` at most, also when the other side stands still.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/status.h"

struct pg_conn;
struct pg_result;

namespace onced {

struct PostgresTimeouts {
  // For all hosts of the URL together, and then for the greeting; libpq counts whole seconds, and
  // two at least for each address.
  std::chrono::milliseconds connect{5'000};
  std::chrono::milliseconds statement{5'000};  // the server gives up a statement
  std::chrono::milliseconds call{8'000};       // we give up the server
};

// NULL, a BIGINT, or bytes: of a BYTEA, or of anything else in its binary form. The bytes must
// outlive the call.
using PostgresValue = std::variant<std::monostate, int64_t, std::string_view>;

// Prepared under its name when a connection first runs it; with an empty name parsed every time.
// Every parameter says its type in the SQL ($1::bytea).
struct PostgresStatement {
  std::string name;
  std::string sql;
};
struct PostgresCall {
  const PostgresStatement* statement;
  std::vector<PostgresValue> values;
};

struct PostgresError {
  enum class Kind : uint8_t {
    kRetry,    // lost against another: a deadlock, a serialization failure, a concurrent insert
    kUnknown,  // it was sent, and whether it happened nobody knows
    kNotSent,  // there is no connection
    kRefused,  // the server said no, and did nothing; not "no" to a COMMIT, unless that is certain
  };
  Kind kind;
  std::string state;  // the SQLSTATE; empty when the server told none
  std::string message;
};

// What a statement gave back.
class PostgresRows {
 public:
  explicit PostgresRows(pg_result* result);
  size_t size() const;
  bool empty() const { return size() == 0; }
  bool IsNull(size_t row, int column) const;
  int64_t Integer(size_t row, int column) const;
  // Valid as long as this is.
  std::string_view Bytes(size_t row, int column) const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

struct PostgresAnswer {
  std::optional<PostgresError> error;
  std::vector<PostgresRows> rows;  // of each call, when there is no error
  std::chrono::steady_clock::time_point asked_at{};

  bool ok() const { return !error.has_value(); }
};

// `postgres://` or `postgresql://`, as libpq reads it. InvalidArgument does not repeat the URL.
Status CheckPostgresUrl(const std::string& url);

class PostgresConnection {
 public:
  // Unavailable: nobody there, or not let in.
  static Result<std::unique_ptr<PostgresConnection>> Open(const std::string& url,
                                                          const PostgresTimeouts& timeouts);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // All of them, in order, in one round trip; those after one that fails are not run. They are one
  // transaction only between a BEGIN and a COMMIT of theirs.
  PostgresAnswer Run(std::span<const PostgresCall> calls);

  // Whether the other side has not hung up, as far as can be seen without asking it.
  bool SeemsAlive();
  // Out of any transaction, by ROLLBACK if need be. False: of no more use.
  bool Settle();

  // What was notified since the last call (after LISTEN).
  std::vector<std::string> Notifications();
  int fd() const;

 private:
  class Intake;
  explicit PostgresConnection(pg_conn* connection, const PostgresTimeouts& timeouts);
  Status Greet();
  bool Send(std::span<const PostgresCall> calls, Intake* intake);
  PostgresAnswer Run(std::span<const PostgresCall> calls, std::chrono::milliseconds limit);
  std::optional<PostgresError> Receive(Intake* intake, std::chrono::milliseconds limit);
  PostgresError Lost(const std::string& why) const;

  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  const std::unique_ptr<pg_conn, Finish> connection_;
  const PostgresTimeouts timeouts_;
  std::set<std::string> prepared_;
  bool lost_ = false;  // what still comes belongs to a round trip that was given up
};

// An array as a parameter of a type such as bytea[].
std::string PostgresByteaArray(std::span<const std::string> values);

}  // namespace onced

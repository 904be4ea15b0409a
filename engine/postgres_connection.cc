// SPDX-License-Identifier: MIT
#include "engine/postgres_connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "engine/check.h"
#include "engine/coding.h"
#include "engine/postgres_errors.h"

namespace onced {
namespace {

using Kind = PostgresError::Kind;
constexpr int kBinary = 1;
constexpr uint32_t kByteaType = 17;

// One line, without the newline that libpq ends its messages with.
std::string Line(const char* text) {
  std::string line = text != nullptr ? text : "";
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

// The first of these calls of which an error may come when all is done: what ends the transaction,
// or each, when each is one by itself. SIZE_MAX: none, as what comes before the end is undone.
size_t FirstThatMayEnd(std::span<const PostgresCall> calls, bool in_transaction) {
  if (!in_transaction && (calls.empty() || calls[0].statement->sql != "BEGIN")) return 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].statement->sql == "COMMIT") return i;
  }
  return SIZE_MAX;
}

PostgresError ErrorOf(const PGresult* result, bool at_the_end) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  PostgresError error{.kind = Kind::kUnknown,
                      .state = state != nullptr ? state : "",
                      .message = Line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY))};
  if (!error.state.empty()) error.kind = PostgresKindOf(error.state, at_the_end);
  if (error.message.empty()) error.message = Line(PQresultErrorMessage(result));
  return error;
}

// How many hosts a URL names, at least one.
int HostsOf(const std::string& url) {
  int hosts = 1;
  PQconninfoOption* const options = PQconninfoParse(url.c_str(), nullptr);
  for (const PQconninfoOption* o = options; o != nullptr && o->keyword != nullptr; ++o) {
    const std::string_view name = o->keyword, value = o->val == nullptr ? "" : o->val;
    if (name != "host" && name != "hostaddr") continue;
    hosts = std::max(hosts, 1 + static_cast<int>(std::count(value.begin(), value.end(), ',')));
  }
  PQconninfoFree(options);
  return hosts;
}

// The parameters of one call, as libpq takes them.
struct Parameters {
  explicit Parameters(const std::vector<PostgresValue>& given) : integers(given.size()) {
    for (size_t i = 0; i < given.size(); ++i) {
      std::string_view bytes;
      if (const auto* number = std::get_if<int64_t>(&given[i])) {
        integers[i] = BigEndian64(static_cast<uint64_t>(*number));
        bytes = integers[i];
      } else if (const auto* text = std::get_if<std::string_view>(&given[i])) {
        bytes = text->data() != nullptr ? *text : std::string_view("");
      }
      values.push_back(bytes.data());
      lengths.push_back(static_cast<int>(bytes.size()));
      formats.push_back(kBinary);
    }
  }
  int count() const { return static_cast<int>(values.size()); }

  std::vector<std::string> integers;  // never resized: `values` points into it
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};

}  // namespace

void PostgresRows::Clear::operator()(pg_result* result) const { PQclear(result); }

PostgresRows::PostgresRows(pg_result* result) : result_(result) {}

size_t PostgresRows::size() const { return static_cast<size_t>(PQntuples(result_.get())); }

bool PostgresRows::IsNull(size_t row, int column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}

std::string_view PostgresRows::Bytes(size_t row, int column) const {
  const int at = static_cast<int>(row);
  return {PQgetvalue(result_.get(), at, column),
          static_cast<size_t>(PQgetlength(result_.get(), at, column))};
}

int64_t PostgresRows::Integer(size_t row, int column) const {
  uint64_t value = 0;
  for (const char byte : Bytes(row, column)) value = value << 8 | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(value);
}

Status CheckPostgresUrl(const std::string& url) {
  const bool named = url.starts_with("postgres://") || url.starts_with("postgresql://");
  PQconninfoOption* const options = named ? PQconninfoParse(url.c_str(), nullptr) : nullptr;
  // Of a password with a slash in it libpq takes a part for the port, and tells it to everybody.
  bool is_one = options != nullptr;
  // Or of one with an @ in it, a part for the host.
  for (const PQconninfoOption* o = options; is_one && o->keyword != nullptr; ++o) {
    const std::string_view name = o->keyword, value = o->val == nullptr ? "" : o->val;
    if (name == "port") is_one = value.find_first_not_of("0123456789,") == value.npos;
    if (name == "host") is_one = value.find('@') == value.npos;
  }
  PQconninfoFree(options);
  // Who hides a password by the look of a URL takes these for its end.
  is_one = is_one && url.find_first_of(" \t\r\n\"'") == url.npos;
  // libpq's own complaint would repeat the URL, and so a password.
  if (!is_one) {
    return Status::InvalidArgument(
        "store: must be postgres://USER@HOST:PORT/DATABASE?..., as libpq reads it, with blanks and "
        "quotes as %20, %22 and %27");
  }
  return Status::Ok();
}

void PostgresConnection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

PostgresConnection::PostgresConnection(pg_conn* connection, const PostgresTimeouts& timeouts)
    : connection_(connection), timeouts_(timeouts) {}

PostgresConnection::~PostgresConnection() = default;

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(
    const std::string& url, const PostgresTimeouts& timeouts) {
  ONCED_RETURN_IF_ERROR(CheckPostgresUrl(url));
  const auto each = std::chrono::ceil<std::chrono::seconds>(timeouts.connect / HostsOf(url));
  const std::string seconds = std::to_string(std::max<int64_t>(each.count(), 1));  // 0: for ever
  // What stands before the URL gives way to what the URL says.
  // A standby would answer with what was true a while ago; of several hosts it is the one that
  // writes. A host that is gone without a word is given up after the second time.
  const std::array<const char*, 7> names = {"connect_timeout",
                                            "fallback_application_name",
                                            "target_session_attrs",
                                            "tcp_user_timeout",
                                            "dbname",
                                            "client_encoding",
                                            nullptr};
  const std::array<const char*, 7> values = {seconds.c_str(), "onced", "read-write", "10000",
                                             url.c_str(),     "UTF8",  nullptr};
  std::unique_ptr<PostgresConnection> made(new PostgresConnection(
      PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/1), timeouts));
  ONCED_RETURN_IF_ERROR(made->Greet());
  return made;
}

Status PostgresConnection::Greet() {
  pg_conn* const conn = connection_.get();
  if (conn == nullptr) return Status::Unavailable("connect to the database: out of memory");
  if (PQstatus(conn) != CONNECTION_OK) {
    return Status::Unavailable("connect to the database: " + Line(PQerrorMessage(conn)));
  }
  PQsetNoticeProcessor(
      conn, [](void*, const char*) {}, nullptr);  // stderr is not the engine's
  if (PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1) {
    return Status::Unavailable("connect to the database: " + Line(PQerrorMessage(conn)));
  }
  const PostgresStatement limit{
      "", "SET statement_timeout = " + std::to_string(timeouts_.statement.count())};
  // Should this process stop for good in the middle of a transaction, its locks must not stay.
  const PostgresStatement idle_limit{"", "SET idle_in_transaction_session_timeout = 10000"};
  const std::array<PostgresCall, 2> calls = {PostgresCall{&limit, {}},
                                             PostgresCall{&idle_limit, {}}};
  const PostgresAnswer answer =
      Run(calls, std::max(timeouts_.connect, std::chrono::milliseconds(1'000)));
  if (answer.ok()) return Status::Ok();
  return Status::Unavailable("connect to the database: " + answer.error->message);
}

// What is still to come of a round trip, and what has come.
class PostgresConnection::Intake {
 public:
  explicit Intake(size_t may_end) : may_end_(may_end) {}

  // What a call sends: the name that a statement prepares, or "" for one that runs.
  void Expect(const std::string& prepares) { expected_.push_back(prepares); }
  // True when all has come.
  bool Take(pg_result* result, std::set<std::string>* prepared) {
    if (result == nullptr) {  // the end of one statement's results
      if (seen_) ++at_;
      seen_ = false;
      return false;
    }
    PostgresRows rows(result);
    seen_ = true;
    switch (PQresultStatus(result)) {
      case PGRES_PIPELINE_SYNC:
        return true;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        if (at_ < expected_.size() && !expected_[at_].empty()) {
          prepared->insert(expected_[at_]);
        } else {
          answer.rows.push_back(std::move(rows));
        }
        return false;
      case PGRES_PIPELINE_ABORTED:
        return false;
      default:
        if (!answer.error.has_value()) answer.error = ErrorOf(result, AtTheEnd());
        return false;
    }
  }

  PostgresAnswer answer;

 private:
  // Whether what comes now may come when all is done. What comes behind all calls is of the end of
  // the round trip, with which a transaction ends that had no COMMIT.
  bool AtTheEnd() const {
    const auto ran =
        std::count(expected_.begin(), expected_.begin() + static_cast<ptrdiff_t>(at_), "");
    return static_cast<size_t>(ran) >= may_end_;
  }

  const size_t may_end_;  // the call from which on an error may come when all is done
  std::vector<std::string> expected_;
  size_t at_ = 0;
  bool seen_ = false;
};

PostgresError PostgresConnection::Lost(const std::string& why) const {
  return {.kind = Kind::kUnknown, .state = "", .message = "the database: " + why};
}

bool PostgresConnection::Send(std::span<const PostgresCall> calls, Intake* intake) {
  pg_conn* const conn = connection_.get();
  std::set<std::string> prepares;
  for (const PostgresCall& call : calls) {
    const std::string& name = call.statement->name;
    const std::string& sql = call.statement->sql;
    const Parameters p(call.values);
    if (name.empty()) {
      intake->Expect("");
      if (PQsendQueryParams(conn, sql.c_str(), p.count(), nullptr, p.values.data(),
                            p.lengths.data(), p.formats.data(), kBinary) != 1) {
        return false;
      }
      continue;
    }
    if (!prepared_.contains(name) && prepares.insert(name).second) {
      intake->Expect(name);
      if (PQsendPrepare(conn, name.c_str(), sql.c_str(), 0, nullptr) != 1) return false;
    }
    intake->Expect("");
    if (PQsendQueryPrepared(conn, name.c_str(), p.count(), p.values.data(), p.lengths.data(),
                            p.formats.data(), kBinary) != 1) {
      return false;
    }
  }
  return PQpipelineSync(conn) == 1;
}

std::optional<PostgresError> PostgresConnection::Receive(Intake* intake,
                                                         std::chrono::milliseconds limit) {
  pg_conn* const conn = connection_.get();
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const int unsent = PQflush(conn);
    while (PQisBusy(conn) == 0) {
      if (PQstatus(conn) == CONNECTION_BAD) return Lost(Line(PQerrorMessage(conn)));
      if (intake->Take(PQgetResult(conn), &prepared_)) return std::nullopt;
    }
    if (unsent < 0) return Lost(Line(PQerrorMessage(conn)));
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd poll_for{.fd = PQsocket(conn),
                    .events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN),
                    .revents = 0};
    const int ready = left.count() > 0 ? poll(&poll_for, 1, static_cast<int>(left.count())) : 0;
    if (ready == 0) return Lost("no answer in time");
    if (ready < 0 && errno != EINTR) return Lost("poll failed");
    if (PQconsumeInput(conn) != 1) return Lost(Line(PQerrorMessage(conn)));
  }
}

PostgresAnswer PostgresConnection::Run(std::span<const PostgresCall> calls) {
  return Run(calls, timeouts_.call);
}

PostgresAnswer PostgresConnection::Run(std::span<const PostgresCall> calls,
                                       std::chrono::milliseconds limit) {
  Intake intake(FirstThatMayEnd(calls, PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS));
  intake.answer.asked_at = std::chrono::steady_clock::now();
  std::optional<PostgresError> lost;
  if (!Send(calls, &intake)) {
    lost = Lost(Line(PQerrorMessage(connection_.get())));
  } else {
    lost = Receive(&intake, limit);
  }
  lost_ = lost_ || lost.has_value();
  if (lost.has_value()) {
    // The server's last words, if any, tell more than that it hung up.
    if (intake.answer.error.has_value()) lost->message = intake.answer.error->message;
    intake.answer.error = std::move(lost);
  }
  if (!intake.answer.ok()) {
    intake.answer.rows.clear();
    // It has become a standby under us: another connection finds the one that writes. And of one
    // that does not say what it did nothing more is asked.
    lost_ = lost_ || intake.answer.error->state == "25006" ||
            intake.answer.error->kind == Kind::kUnknown;
  } else {
    ONCED_CHECK(intake.answer.rows.size() == calls.size());
  }
  return std::move(intake.answer);
}

bool PostgresConnection::SeemsAlive() {
  pollfd poll_for{.fd = fd(), .events = POLLIN, .revents = 0};
  if (poll(&poll_for, 1, 0) != 0 && PQconsumeInput(connection_.get()) != 1) return false;
  return !lost_ && PQstatus(connection_.get()) == CONNECTION_OK;
}

bool PostgresConnection::Settle() {
  pg_conn* const conn = connection_.get();
  if (lost_ || PQstatus(conn) != CONNECTION_OK) return false;
  if (PQtransactionStatus(conn) == PQTRANS_IDLE) return true;
  const PostgresStatement rollback{"", "ROLLBACK"};
  const PostgresCall call{&rollback, {}};
  return Run({&call, 1}).ok() && PQtransactionStatus(conn) == PQTRANS_IDLE;
}

std::vector<std::string> PostgresConnection::Notifications() {
  std::vector<std::string> heard;
  while (PGnotify* const notify = PQnotifies(connection_.get())) {
    heard.emplace_back(notify->extra);
    PQfreemem(notify);
  }
  return heard;
}

int PostgresConnection::fd() const { return PQsocket(connection_.get()); }

std::string PostgresByteaArray(std::span<const std::string> values) {
  std::string out;
  const auto put = [&out](uint32_t value) {
    value = __builtin_bswap32(value);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  put(values.empty() ? 0 : 1);  // dimensions
  put(0);                       // no NULLs
  put(kByteaType);
  if (values.empty()) return out;
  put(static_cast<uint32_t>(values.size()));
  put(1);  // its first index
  for (const std::string& value : values) {
    put(static_cast<uint32_t>(value.size()));
    out += value;
  }
  return out;
}

}  // namespace onced

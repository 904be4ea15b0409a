// SPDX-License-Identifier: MIT
#include "engine/postgres_schema.h"

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "engine/postgres_connection.h"

namespace onced {
namespace {

// Of the first version. `key` is Key::encoded(): whoever has it sorted by its bytes can page, and
// where primary keys are hashed (YugabyteDB, unless yb_use_hash_splitting_by_default is off) pages
// are still right, only dear. There is no index on times of death: it would be written with every
// row, and the sweeper walks the key.
constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS onced_records ("
    "key BYTEA PRIMARY KEY, version BIGINT NOT NULL, fence BIGINT NOT NULL, "
    "dead_at_ms BIGINT NOT NULL, waited BOOLEAN NOT NULL, record BYTEA)",
    "CREATE TABLE IF NOT EXISTS onced_runs ("
    "key BYTEA NOT NULL, fence BIGINT NOT NULL, dead_at_ms BIGINT NOT NULL, run BYTEA NOT NULL, "
    "PRIMARY KEY (key, fence))",
    "CREATE TABLE IF NOT EXISTS onced_effects (key BYTEA PRIMARY KEY, value BYTEA)",
};
// What a store asks of them; that they are there by name alone would say less.
struct TableLook {
  const char* name;
  const char* sql;
};
constexpr TableLook kLooks[] = {
    {"onced_records",
     "SELECT key, version, fence, dead_at_ms, waited, record FROM onced_records LIMIT 0"},
    {"onced_runs", "SELECT key, fence, dead_at_ms, run FROM onced_runs LIMIT 0"},
    {"onced_effects", "SELECT key, value FROM onced_effects LIMIT 0"},
};
constexpr const char* kVersionTable =
    "CREATE TABLE IF NOT EXISTS onced_schema (one BIGINT PRIMARY KEY, version BIGINT NOT NULL)";
constexpr const char* kVersionRow =
    "INSERT INTO onced_schema AS o (one, version) VALUES (1, 1) ON CONFLICT (one) DO NOTHING";

// How often statements that make tables are tried when another process makes them just then.
constexpr int kTries = 50;
constexpr std::chrono::milliseconds kPause{20};

// What two CREATE ... IF NOT EXISTS at once may say of each other.
bool LostARace(const PostgresError& error) {
  return error.kind == PostgresError::Kind::kRetry || error.state == "42P07" ||
         error.state == "42710" || error.state == "XX000";
}

PostgresAnswer RunOne(PostgresConnection& connection, const char* sql) {
  const PostgresStatement statement{"", sql};
  const PostgresCall call{&statement, {}};
  return connection.Run({&call, 1});
}

// nullopt: there are no tables.
Result<std::optional<int64_t>> ReadVersion(PostgresConnection& connection) {
  const PostgresAnswer answer =
      RunOne(connection, "SELECT version FROM onced_schema WHERE one = 1");
  if (!answer.ok()) {
    if (answer.error->state == "42P01") return std::optional<int64_t>();
    return Status::Unavailable("read the tables' version: " + answer.error->message);
  }
  if (answer.rows[0].empty()) return std::optional<int64_t>();
  return std::optional<int64_t>(answer.rows[0].Integer(0, 0));
}

// Ok, or InvalidArgument when one is not there or is another's.
Status LookAtTables(PostgresConnection& connection) {
  for (const TableLook& look : kLooks) {
    const PostgresAnswer answer = RunOne(connection, look.sql);
    if (answer.ok()) continue;
    const std::string table = std::string("the table ") + look.name;
    if (answer.error->state == "42P01") {
      return Status::InvalidArgument("store: " + table +
                                     " is not there; run `onced migrate --store URL`");
    }
    if (answer.error->state == "42703") {
      return Status::InvalidArgument("store: " + table +
                                     " is not onced's: " + answer.error->message);
    }
    return Status::Unavailable("look at " + table + ": " + answer.error->message);
  }
  return Status::Ok();
}

Status Newer(int64_t version) {
  return Status::Corruption("the tables are of version " + std::to_string(version) +
                            ", which this onced does not know; it knows " +
                            std::to_string(kPostgresSchemaVersion));
}

Status Make(PostgresConnection& connection, const char* sql) {
  for (int tries = 1;; ++tries) {
    const PostgresAnswer answer = RunOne(connection, sql);
    if (answer.ok()) return Status::Ok();
    if (!LostARace(*answer.error) || tries == kTries) {
      return Status::Unavailable("make tables: " + answer.error->message);
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

Status CheckPostgresSchema(PostgresConnection& connection) {
  const Result<std::optional<int64_t>> version = ReadVersion(connection);
  if (!version.ok()) return version.status();
  if (version->has_value() && **version > kPostgresSchemaVersion) return Newer(**version);
  if (!version->has_value() || **version < kPostgresSchemaVersion) {
    return Status::InvalidArgument(
        "store: the tables of onced are not there, or are older than this one; run `onced migrate "
        "--store URL`");
  }
  return LookAtTables(connection);
}

Status CheckPostgresSettings(PostgresConnection& connection) {
  for (const std::string name : {"synchronous_commit", "fsync"}) {
    const PostgresAnswer answer =
        RunOne(connection, ("SELECT current_setting('" + name + "', true)").c_str());
    if (!answer.ok()) {
      return Status::Unavailable("read the database's settings: " + answer.error->message);
    }
    const PostgresRows& rows = answer.rows[0];
    if (rows.empty() || rows.IsNull(0, 0) || rows.Bytes(0, 0) != "off") continue;
    return Status::InvalidArgument("store: the database has " + name +
                                   " = off, and may forget what it has answered when it crashes or "
                                   "loses power; set it to on");
  }
  return Status::Ok();
}

Status MigratePostgres(const std::string& url) {
  Result<std::unique_ptr<PostgresConnection>> opened =
      PostgresConnection::Open(url, PostgresTimeouts{});
  if (!opened.ok()) return opened.status();
  PostgresConnection& connection = **opened;
  const Result<std::optional<int64_t>> version = ReadVersion(connection);
  if (!version.ok()) return version.status();
  if (version->has_value() && **version > kPostgresSchemaVersion) return Newer(**version);
  // Whoever may not make tables may still ask whether it has all of them.
  if (version->has_value() && **version == kPostgresSchemaVersion &&
      LookAtTables(connection).ok()) {
    return Status::Ok();
  }
  // The version's row comes last: whoever sees it finds all tables, unless one was dropped.
  for (const char* table : kTables) ONCED_RETURN_IF_ERROR(Make(connection, table));
  ONCED_RETURN_IF_ERROR(Make(connection, kVersionTable));
  ONCED_RETURN_IF_ERROR(Make(connection, kVersionRow));
  return LookAtTables(connection);
}

}  // namespace onced

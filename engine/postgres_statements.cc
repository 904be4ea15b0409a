// SPDX-License-Identifier: MIT
#include "engine/postgres_statements.h"

namespace onced::statements {
namespace {

// Now in ms, rounded down, so that it is never ahead of the clock.
std::string Now(const std::string& given) {
  return "COALESCE(" + given +
         "::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)";
}
const std::string kMicrosNow = "floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

std::string Clocks(const std::string& given) {
  return "(SELECT " + Now(given) + " AS now, " + kMicrosNow + " AS micros) AS c";
}

// The guard of a write: $6 now, $7 lag, $8 clock.
std::string InTime() {
  return "(" + Now("$8") + " >= $6::bigint AND " + Now("$8") + " - $6::bigint <= $7::bigint)";
}

const std::string kRowOf =
    "SELECT c.now, c.micros, r.key, r.version, r.fence, r.waited, r.record, "
    "octet_length(r.record)::bigint FROM ";

}  // namespace

const PostgresStatement kBegin{"", "BEGIN"};
const PostgresStatement kCommit{"", "COMMIT"};
const PostgresStatement kListen{"", "LISTEN onced"};

const PostgresStatement kReadClock{"onced_read_clock", "SELECT " + Now("$1") + ", " + kMicrosNow};

const PostgresStatement kReadRecord{
    "onced_read_record",
    kRowOf + Clocks("$2") + " LEFT JOIN onced_records AS r ON r.key = $1::bytea"};

const PostgresStatement kReadRecords{
    "onced_read_records",
    "SELECT c.now, c.micros, r.key, r.version, r.fence, r.waited, "
    "CASE WHEN octet_length(r.record) <= $3::bigint THEN r.record END, "
    "octet_length(r.record)::bigint FROM " +
        Clocks("$2") + " LEFT JOIN onced_records AS r ON r.key = ANY($1::bytea[])"};

const PostgresStatement kLockRecord{
    "onced_lock_record", "SELECT " + Now("$2") + ", " + kMicrosNow +
                             ", key, version, fence, waited, record, octet_length(record)::bigint "
                             "FROM onced_records WHERE key = $1::bytea FOR UPDATE"};

// The guard stands twice: for a row that is inserted, and, as this may have waited for another
// transaction, for one that is overwritten. A fence that was given must be newer than the row's.
const PostgresStatement kPutWhereAbsent{
    "onced_put_where_absent",
    "INSERT INTO onced_records AS o (key, version, fence, dead_at_ms, waited, record) "
    "SELECT $1::bytea, $2::bigint, COALESCE($3::bigint, " +
        kMicrosNow + "), $4::bigint, false, $5::bytea WHERE " + InTime() +
        " ON CONFLICT (key) DO UPDATE SET version = excluded.version, "
        "fence = GREATEST(o.fence + 1, excluded.fence), dead_at_ms = excluded.dead_at_ms, "
        "waited = false, record = excluded.record "
        "WHERE (o.record IS NULL OR o.dead_at_ms <= $6::bigint) "
        "AND ($3::bigint IS NULL OR o.fence < $3::bigint) AND " +
        InTime() + " RETURNING fence, " + Now("$8")};

// The row is locked by a query of its own, and the guard joins it with what is written: an UPDATE
// alone judges the time before it waits for another's lock, and again only if that other has
// changed the row, not when it has given it back as it was.
const PostgresStatement kPutWhereUnchanged{
    "onced_put_where_unchanged",
    "UPDATE onced_records AS o SET version = $2::bigint, "
    "fence = CASE WHEN $10::bigint = 1 THEN o.fence "
    "ELSE GREATEST(o.fence + 1, COALESCE($3::bigint, " +
        kMicrosNow +
        ")) END, dead_at_ms = $4::bigint, record = $5::bytea, "
        "waited = (o.waited AND $11::bigint = 1) "
        "FROM (SELECT version FROM onced_records WHERE key = $1::bytea FOR UPDATE) AS held "
        "WHERE o.key = $1::bytea AND o.version = $9::bigint AND held.version = $9::bigint AND " +
        InTime() + " RETURNING o.fence, " + Now("$8")};

const PostgresStatement kMarkWaited{
    "onced_mark_waited",
    "UPDATE onced_records SET waited = true, version = version & -2::bigint "
    "WHERE key = $1::bytea AND version = $2::bigint RETURNING 1::bigint"};

const PostgresStatement kPutRun{
    "onced_put_run",
    "INSERT INTO onced_runs (key, fence, dead_at_ms, run) "
    "SELECT r.key, COALESCE($3::bigint, r.fence), $4::bigint, $5::bytea FROM onced_records AS r "
    "WHERE r.key = $1::bytea AND r.version = $2::bigint "
    "ON CONFLICT (key, fence) DO UPDATE "
    "SET dead_at_ms = excluded.dead_at_ms, run = excluded.run"};

const PostgresStatement kPutEffect{
    "onced_put_effect",
    "UPDATE onced_effects SET value = $4::bytea WHERE key = $3::bytea AND EXISTS "
    "(SELECT 1 FROM onced_records AS r WHERE r.key = $1::bytea AND r.version = $2::bigint)"};

const PostgresStatement kNotify{"onced_notify",
                                "SELECT pg_notify('onced', $3::text) FROM onced_records AS r "
                                "WHERE r.key = $1::bytea AND r.version = $2::bigint"};

// One that is there is locked as well, so that the sweeper does not take it before it is read.
const PostgresStatement kMakeEffects{
    "onced_make_effects",
    "INSERT INTO onced_effects (key) SELECT wanted.key FROM unnest($1::bytea[]) AS wanted(key) "
    "ORDER BY wanted.key ON CONFLICT (key) DO UPDATE SET value = onced_effects.value"};

const PostgresStatement kLockEffects{
    "onced_lock_effects",
    "SELECT key, value FROM onced_effects WHERE key = ANY($1::bytea[]) ORDER BY key FOR UPDATE"};

const PostgresStatement kReadEffect{
    "onced_read_effect",
    "SELECT value FROM onced_effects WHERE key = $1::bytea AND value IS NOT NULL"};

const PostgresStatement kListRecords{
    "onced_list_records",
    "SELECT " + Now("$5") +
        ", key, fence, CASE WHEN record IS NULL THEN 0 ELSE dead_at_ms END, "
        "substring(record FROM 1 FOR $4::bigint::int), octet_length(record)::bigint "
        "FROM onced_records WHERE key > $1::bytea AND key < $2::bytea "
        "ORDER BY key LIMIT $3::bigint"};

const PostgresStatement kListEffects{
    "onced_list_effects",
    "SELECT " + Now("$5") +
        ", key, 0::bigint, 0::bigint, substring(value FROM 1 FOR $4::bigint::int), "
        "octet_length(value)::bigint "
        "FROM onced_effects WHERE key > $1::bytea AND key < $2::bytea AND value IS NOT NULL "
        "ORDER BY key LIMIT $3::bigint"};

const PostgresStatement kListRuns{
    "onced_list_runs",
    "SELECT fence, run FROM onced_runs WHERE key = $1::bytea AND dead_at_ms > $2::bigint "
    "ORDER BY fence LIMIT $3::bigint"};

const PostgresStatement kStepRecords{
    "onced_step_records",
    "SELECT key FROM onced_records WHERE key > $1::bytea ORDER BY key LIMIT $2::bigint"};
const PostgresStatement kStepRuns{
    "onced_step_runs",
    "SELECT key FROM onced_runs WHERE key > $1::bytea ORDER BY key LIMIT $2::bigint"};
const PostgresStatement kStepEffects{
    "onced_step_effects",
    "SELECT key FROM onced_effects WHERE key > $1::bytea ORDER BY key LIMIT $2::bigint"};

const PostgresStatement kSweepRecords{
    "onced_sweep_records",
    "DELETE FROM onced_records WHERE key > $1::bytea AND key <= $2::bytea "
    "AND dead_at_ms <= $4::bigint - $3::bigint"};
const PostgresStatement kSweepRuns{
    "onced_sweep_runs",
    "DELETE FROM onced_runs WHERE key > $1::bytea AND key <= $2::bytea "
    "AND dead_at_ms <= $4::bigint - $3::bigint"};
const PostgresStatement kSweepEffects{
    "onced_sweep_effects",
    "DELETE FROM onced_effects WHERE key > $1::bytea AND key <= $2::bytea AND value IS NULL"};

const PostgresStatement kPollWaited{
    "onced_poll_waited",
    "SELECT key, fence, substring(record FROM 1 FOR 72) FROM onced_records "
    "WHERE key = ANY($1::bytea[]) AND record IS NOT NULL"};

}  // namespace onced::statements

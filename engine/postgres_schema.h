// SPDX-License-Identifier: MIT
// The tables that PostgresStore keeps its rows in (FORMAT.md, "tables"), made and brought up to
// date by one function, which any number of processes may call at once and again; and whether a
// database that has them also keeps what it is given.
//
// Threads: any.
// Invariants: every step may be run twice, and beside itself. Tables of a newer version are left
// alone.
#pragma once

#include <cstdint>
#include <string>

#include "engine/status.h"

namespace onced {

class PostgresConnection;

// What this program writes and reads.
constexpr int64_t kPostgresSchemaVersion = 1;

// Makes the tables that are not there, in the schema that the URL's search_path names first.
// Unavailable: nobody there, not let in, or not allowed to. Corruption: they are of a newer
// version.
Status MigratePostgres(const std::string& url);

// Ok when all tables are there, with their columns, and of this version. InvalidArgument: they are
// not, or are older; the message names the table that is missing.
Status CheckPostgresSchema(PostgresConnection& connection);

// InvalidArgument when the database says that it does not write through what it answers, by a
// setting that the message names. A setting that it does not have says nothing.
Status CheckPostgresSettings(PostgresConnection& connection);

}  // namespace onced

// SPDX-License-Identifier: MIT
// PostgresKindOf: what an error that the server tells means for the statements that it answers.
//
// Private to the engine's part for PostgreSQL.
// Threads: pure.
// Invariants: an error is never "nothing was written" when that is not certain.
#pragma once

#include <string_view>

#include "engine/postgres_connection.h"

namespace onced {

// `state`: the SQLSTATE. `at_the_end`: it came of a COMMIT, or of a statement that is a transaction
// by itself. What comes before the end of a transaction undoes it, whatever it is.
PostgresError::Kind PostgresKindOf(std::string_view state, bool at_the_end);

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/postgres_errors.h"

#include <algorithm>
#include <initializer_list>

namespace onced {
namespace {

using Kind = PostgresError::Kind;

bool OneOf(std::string_view state, std::initializer_list<std::string_view> states) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

// Whether an error that comes with the end of a transaction says that nothing of it was written. By
// classes of SQLSTATE (the manual of PostgreSQL, appendix A), as an error in the midst of a
// transaction undoes it (chapter 3.4), and these can only come before its end:
//   40     "transaction rollback" is what they are called, but for 40003 (below).
//   23     constraints; those that are deferred are checked before the commit ("SET CONSTRAINTS").
//   25     not in the state for it: read-only, or failed before, and then COMMIT is a ROLLBACK.
//   0A 22 26 28 3D 3F 42   could not be parsed, was not allowed, or could not be computed.
//   54 55  more than the server can take; something was locked, or not ready.
//   53100  no room for what was to be written. (PostgreSQL that finds none for the commit itself
//          goes down, and tells nothing.)
// All else may come when it is done: of the rest of 53 (memory), of 57 (57014 is a statement that
// was given up, and some databases give up their commits, too), 58 and XX (the server's own), F0,
// HV, P0 and what others than PostgreSQL may invent, nobody says that it does not.
bool SurelyUndone(std::string_view state) {
  return state == "53100" || OneOf(state.substr(0, 2), {"40", "23", "25", "0A", "22", "26", "28",
                                                        "3D", "3F", "42", "54", "55"});
}

}  // namespace

Kind PostgresKindOf(std::string_view state, bool at_the_end) {
  // Serialization failure, deadlock; of two that insert a key at once YugabyteDB tells one 23505.
  if (OneOf(state, {"40001", "40P01", "23505"})) return Kind::kRetry;
  // Statement completion unknown; the server goes down, has crashed, drops the database.
  if (OneOf(state, {"40003", "57P01", "57P02", "57P04", "57P05"})) return Kind::kUnknown;
  if (state.starts_with("08")) return Kind::kUnknown;
  return at_the_end && !SurelyUndone(state) ? Kind::kUnknown : Kind::kRefused;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// Debian's PostgreSQL as programs to start: where they are, and as whom they run. PostgreSQL
// refuses to be root; then it is started as `postgres`.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

namespace onced {

// With a slash at the end; of the newest that is installed; empty when none is.
std::string PostgresProgramsFolder();
// Why none can be started here; empty when one can.
std::string WhyNoPostgres();
// Has all tests of the program skipped with that reason, if there is one. Before they run.
void SkipAllWithoutPostgres();
// To be started with these words, by whoever may.
std::vector<std::string> AsPostgres(std::vector<std::string> words);
// A folder that the started one may write in. Throws when it cannot be given away.
void GiveToPostgres(const std::string& folder);

}  // namespace onced

// SPDX-License-Identifier: MIT
// Glob: the patterns of KEYS and SCAN: * ? [a-z] [^a] and \ before a character that is meant
// itself.
//
// Threads: a pure function.
#pragma once

#include <string_view>

namespace onced::redis {

// Whether all of `text` matches. Patterns that would take for ever are given up as not matching, as
// Redis gives them up.
bool GlobMatches(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace onced::redis

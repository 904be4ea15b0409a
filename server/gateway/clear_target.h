// SPDX-License-Identifier: MIT
// ClearTarget: which raw request targets mean one path to everybody. What a route has judged must
// be what its upstream reads: a target that a service might take to pieces in another way, or
// decode once more, is not passed on.
//
// Threads: pure functions.
#pragma once

#include <string_view>

namespace onced {

// What is wrong with it, for a refusal; nullptr: nothing. `raw`: the upstream is known to take a
// path byte for byte, so backslashes, encoded slashes and segments of dots are its own business;
// what no target may have is refused all the same.
const char* FaultOfTarget(std::string_view target, bool raw);

}  // namespace onced

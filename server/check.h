// SPDX-License-Identifier: MIT
// Check: `onced check`, whether `serve` with the same options would start, without starting it.
//
// Threads: called once, on the main thread.
// Invariants: nothing is changed: no folder is made, no lock is held afterwards, no file written.
#pragma once

#include "server/options.h"

namespace onced {

// Prints every thing that is wrong, not only the first. kExitOk, or kExitUsage. Where a onced runs
// on the same folder its ports are in use, as they should be: that is no fault.
int Check(const ServeOptions& options);

}  // namespace onced

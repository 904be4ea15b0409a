// SPDX-License-Identifier: MIT
// Banner: what a start that has come to its end tells: where each door is, and what to try. For
// people a few lines to read; for machines a line a door, and one that it is ready.
//
// Threads: call from one, when the doors are open.
#pragma once

#include "server/doors.h"
#include "server/operations/journal.h"
#include "server/options.h"

namespace onced {

void SayListening(Journal& log, const ServeOptions& options, const Doors& doors);

}  // namespace onced

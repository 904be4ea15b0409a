// SPDX-License-Identifier: MIT
// Serve: `onced serve` from start to stop.
//
// Threads: called once, on the main thread, which then waits for signals.
// Invariants: it returns only after everything that was answered is synced; a lost log ends the
// process from within, with kExitLogFailed and no further answer.
#pragma once

#include <functional>
#include <optional>

#include "engine/status.h"
#include "server/options.h"

namespace onced {

// How a fault that ended a command is told to the shell.
int ExitCodeOf(const Status& status);

// Returns the exit code. `read_again`: what the command line, the environment and the file say at a
// SIGHUP; nullopt, and a word to `tell`, when that is not valid.
using AskAgain = std::function<std::optional<ServeOptions>(const Tell& tell)>;
int Serve(const ServeOptions& options, const AskAgain& read_again);

}  // namespace onced

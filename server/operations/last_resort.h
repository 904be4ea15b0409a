// SPDX-License-Identifier: MIT
// What the process does when the machine gives it no more memory or threads.
//
// The storage below cannot be trusted to go on after a failed allocation in the middle of a write,
// so nothing goes on: a line on stderr, and the end, as after a crash. What was answered is on the
// disk; what was not is unknown, as after every crash; a service manager starts it again.
// Whoever reads stderr, or does not: it ends within a second or so.
//
// Threads: Install once, in main, before there are others; SayLastResortAsJson from any. What is
// installed is called on any.
#pragma once

namespace onced {

// From here on operator new and std::terminate end the process with kExitNoResources; terminate by
// an exception of another kind is our own bug and aborts, as without this.
void InstallLastResort();

// Its line is one of JSON from now on, as the others are (LogEvent::kLeaving, without a time:
// nothing may be asked for any more).
void SayLastResortAsJson();

}  // namespace onced

// SPDX-License-Identifier: MIT
// Loopback: ports and connections on 127.0.0.1, where all that a benchmark starts listens.
//
// Threads: any.
#pragma once

namespace onced::bench {

// For programs that cannot be told to take any. It may be gone again by then, which ends the
// benchmark.
int FreePort();

// A blocking connection, to be closed by the caller; -1 when nobody listens there.
int ConnectTo(int port);

}  // namespace onced::bench

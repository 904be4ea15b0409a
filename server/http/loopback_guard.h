// SPDX-License-Identifier: MIT
// The guard of an open loopback port: a web page must not be able to talk to it. A browser on the
// same machine can be made to send requests here by any site; what it cannot do is lie about Host
// (DNS rebinding), Origin, Sec-Fetch-Site or, without asking first, send a JSON content type.
//
// Threads: a pure function. Invariants: a client that is no browser is never refused for what only
// browsers send.
#pragma once

#include <optional>

#include "server/http/answer.h"
#include "server/wire/request_parser.h"

namespace onced {

// The answer to a request that must not be served, if so.
std::optional<Answer> RefuseForeign(const wire::Request& request);

}  // namespace onced

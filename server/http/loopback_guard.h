// SPDX-License-Identifier: MIT
// The guard of a port that browsers can reach: a web page must not be able to talk to it. A browser
// can be made to send requests here by any site; what it cannot do is lie about Host (DNS
// rebinding), Origin, Sec-Fetch-Site or, without asking first, send a JSON content type.
//
// Threads: a pure function. Invariants: a client that is no browser is never refused for what only
// browsers send.
#pragma once

#include <optional>

#include "server/http/answer.h"
#include "server/wire/request_parser.h"

namespace onced {

// What keeps strangers out, and so what a request is judged by. A POST must be JSON in any case.
enum class PortGuard {
  kTokens,      // they have no token, and no page can make a browser send one
  kLoopback,    // they are on another machine: Host and Origin must name loopback
  kSameOrigin,  // nothing does. By which names the port may be called is not known, so DNS
                // rebinding stays possible; a page of another site is refused all the same
};

// The answer to a request that must not be served, if so.
std::optional<Answer> RefuseForeign(const wire::Request& request, PortGuard guard);

}  // namespace onced

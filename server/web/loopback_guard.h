// SPDX-License-Identifier: MIT
// The guard of a port that browsers can reach: a web page must not be able to talk to it. A browser
// can be made to send requests here by any site; what it cannot do is lie about Host (DNS
// rebinding), Origin, Sec-Fetch-Site or, without asking first, send a JSON content type.
//
// Threads: a pure function. Invariants: a client that is no browser is never refused for what only
// browsers send. A link on another site's page may lead to the dashboard, and to nothing else.
#pragma once

#include <optional>

#include "server/web/answer.h"
#include "server/wire/request_parser.h"

namespace onced {

// What keeps strangers out, and so what a request is judged by. A POST must be JSON in any case.
enum class PortGuard {
  kTokens,      // they have no token, and no page can make a browser send one
  kLoopback,    // they are on another machine: Host and Origin must name loopback. An empty Host
                // names nothing; none at all comes from clients of HTTP/1.0, and browsers are none
  kSameOrigin,  // a certificate does, which a browser shows for whoever asks: pages of other sites
                // are refused. TLS has proved the name, so none of theirs can have been pointed
                // here
  kOpen,        // nothing does. Pages of other sites are refused, and so is what a browser marks as
                // its own, unless it calls the port by an address or localhost, which no site can
                // point here. Over plain HTTP a browser marks a GET of a page from "its own" site
                // in no way: a rebound name can read, and change nothing
};

// The answer to a request that must not be served, if so.
std::optional<Answer> RefuseForeign(const wire::Request& request, PortGuard guard);

}  // namespace onced

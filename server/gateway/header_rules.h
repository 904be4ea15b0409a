// SPDX-License-Identifier: MIT
// HeaderRules: which headers cross the gateway, in each direction, and which are kept with an
// answer.
//
// Threads: callable from any.
// Invariants: 1. What belongs to one hop stays on it (RFC 9110, 7.6.1). 2. No header of onced's own
// crosses from outside: what a client or an upstream sends under such a name is dropped. 3. What is
// kept is a short list of what describes the body, and what the route adds; never a cookie, a
// challenge, or anything of one hop, moment or origin.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/gateway/call.h"
#include "server/wire/exchange.h"

namespace onced {

// What is wrong with the request's Connection header: one that names a header which is meant for
// the upstream would have a proxy strip it (a known attack).
std::optional<std::string> OffenceInConnection(const wire::Request& request);

// This process's name in Via: another onced in front of, or behind, this one has another.
const std::string& ViaName();
// It has gone out of this gateway several times already: an upstream leads back here. (Once or
// twice may be right: a service may ask another through the same gateway.)
bool WentInACircle(const wire::Request& request);

struct Forwarding {
  bool tls = false;             // how the client came
  bool trusted = false;         // it is a proxy whose X-Forwarded-* are believed, and added to
  std::string_view key_header;  // the header that carried the key; empty: none
  std::string_view key;         // its value for the upstream; empty: it is dropped
  std::string_view principal_header;    // that says who asks; may be empty
  std::span<const std::string> hidden;  // further names that are not passed on
  std::string_view request_id;          // for the upstream; empty: none
  wire::TraceContext trace;             // of what goes on; none: nobody traces
  std::string_view fence;               // of the run; empty: there is none
  bool drop_authorization = false;      // it is a token of onced's
  bool identity = false;  // the answer may be kept: it must not be encoded for one client
};
HeaderList HeadersForUpstream(const wire::Request& request, const wire::Peer& peer,
                              const Forwarding& forwarding);

// With the time at which they came when they tell none (RFC 9110, 6.6.1).
HeaderList HeadersForClient(HeaderList headers);

// Of what HeadersForClient let through. `more`: names that the route adds.
HeaderList HeadersToKeep(const HeaderList& headers, std::span<const std::string> more);

// Whether a route may ask for it to be kept.
bool MayBeKept(std::string_view name);

}  // namespace onced

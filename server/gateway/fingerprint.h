// SPDX-License-Identifier: MIT
// Fingerprint: what must be the same when a request comes again under its key.
//
// Threads: a pure function.
// Invariants: 1. Each part is hashed with its length, so no two requests run together. 2. It is a
// hash: nothing of the request can be read from it.
#pragma once

#include <string>

#include "server/gateway/route.h"
#include "server/wire/request_parser.h"

namespace onced {

// SHA-256 in hex (64 characters). With body_excludes a body that is JSON counts without those
// values and in its canonical form; any other body counts as it is.
std::string FingerprintOf(const wire::Request& request, const FingerprintRules& rules);

}  // namespace onced

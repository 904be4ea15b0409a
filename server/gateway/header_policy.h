// SPDX-License-Identifier: MIT
// HeaderPolicy: which headers of a request a route's configuration may name. (Of an answer:
// header_rules.h.)
//
// Threads: pure functions. Invariants: names are equal whatever their case.
#pragma once

#include <string_view>

namespace onced {

// About one connection (RFC 9110, 7.6.1) or about one message's framing: nobody's business beyond
// it.
bool IsHopOrFraming(std::string_view name);

// Headers of a request that cannot carry a key, or say who asks.
bool NeverCarriesAKey(std::string_view name);

}  // namespace onced

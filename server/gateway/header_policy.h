// SPDX-License-Identifier: MIT
// HeaderPolicy: which headers a route's configuration may name, and which are never kept with an
// answer whoever asks for it.
//
// Threads: pure functions. Invariants: names are equal whatever their case.
#pragma once

#include <string_view>

namespace onced {

// A token (RFC 9110, 5.6.2): what a header, or a method, may be called.
bool IsToken(std::string_view text);

// About one connection (RFC 9110, 7.6.1) or about one message's framing: nobody's business beyond
// it.
bool IsHopOrFraming(std::string_view name);

// Headers of a request that cannot carry a key, or say who asks.
bool NeverCarriesAKey(std::string_view name);

// Headers of an answer that are never kept, and so never shown to the next caller: cookies, who may
// read it (CORS), challenges, dates, traces, what is about a connection, and what onced itself
// says.
bool NeverReplayed(std::string_view name);

}  // namespace onced

// SPDX-License-Identifier: MIT
// Credentials: who sends a request, by its bearer token (RFC 6750, in the Authorization header and
// nowhere else), or by the subject of its connection's verified client certificate.
//
// Threads: a pure function.
// Invariants: 1. A refusal is the same whatever exists. 2. A token that is shown must be right,
// also beside a certificate that would have done; the two must be the same tenant's.
#pragma once

#include "server/access/token_book.h"
#include "server/web/answer.h"
#include "server/wire/exchange.h"

namespace onced {

struct Identity {
  const Caller* caller = nullptr;  // lives as long as the book
  std::optional<Answer> refused;   // has a value when there is no caller
};

// 401, with the challenge that belongs to it.
Answer Unauthorized(const char* detail);
// For a request that was parked, and whose token has become another tenant's meanwhile.
Answer TokenMoved();

Identity Identify(const TokenBook& book, const wire::Request& request, const wire::Peer& peer);

}  // namespace onced

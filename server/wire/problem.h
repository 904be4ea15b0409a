// SPDX-License-Identifier: MIT
// Problem: every error answer of every HTTP door, as application/problem+json (RFC 9457).
//
// One code has one status, one title and one advice; a handler chooses the code and writes the
// detail. Titles of the idempotency codes are those of the IETF draft, word for word
// (draft-ietf-httpapi-idempotency-key-header-07, 2.7).
//
// Threads: values and pure functions.
// Invariants: a detail names what is wrong with the request; it never carries a stored payload,
// another tenant's existence, or an exception's text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace onced::wire {

constexpr char kProblemType[] = "application/problem+json";

struct Problem {
  std::string code;
  std::string detail;
  int64_t retry_after_s = 0;  // also told in the document, for an entry of a batch has no headers
};

int StatusOf(const Problem& problem);
// Whether the same request may be sent again, as it is.
bool IsRetryable(const Problem& problem);
std::string ProblemJson(const Problem& problem);

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// HttpDate: a moment as HTTP writes it: Wed, 25 Nov 2026 02:41:47 GMT (RFC 9110, 5.6.7).
//
// Threads: callable from any.
#pragma once

#include <cstdint>
#include <string>

namespace onced {

std::string HttpDate(int64_t unix_ms);
// This moment, by the machine's clock, which is what other machines compare dates with.
std::string HttpDateNow();

}  // namespace onced

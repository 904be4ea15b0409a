// SPDX-License-Identifier: MIT
// The key that a request carries in a header, as its client meant it: a quoted string, as the IETF
// draft has it (draft-ietf-httpapi-idempotency-key-header-07, 2.1; RFC 8941, 3.3.3), or, as most
// clients send it, bare. `"k"` and `k` are one key.
//
// Threads: pure functions.
// Invariants: what is returned is 1..255 of 0x21..0x7E; anything else is an error that names the
// header. Two ways to read a value are an error, never a choice.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/status.h"
#include "server/wire/request_parser.h"

namespace onced {

constexpr char kKeyHeader[] = "Idempotency-Key";

// nullopt: no header of that name. InvalidArgument when there are two, or its value is not a key.
Result<std::optional<std::string>> KeyInHeader(const wire::Request& request, const char* name);

// The value by itself; `name` for the message.
Result<std::string> ReadKey(const char* name, std::string_view value);

}  // namespace onced

// SPDX-License-Identifier: MIT
// The two ways a key is made for a caller who has none: by time and chance, or from the content.
//
// Threads: free functions, callable from any thread.
// Invariants: a derived key depends on its bytes and prefix alone; a unique key is never made twice
// (122 random bits).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace onced {

// SHA-256 of `bytes` in lower-case hex (64 characters).
std::string Sha256Hex(std::string_view bytes);

// A random UUID, version 4 (RFC 9562), in its 36-character form.
std::string RandomUuid();
// So many random bytes, 1..64, as hexadecimal digits. As good as RandomUuid's; for names, not
// for secrets, which must not lie about in memory.
std::string RandomHex(size_t bytes);

// "<prefix>:<sha256 hex of bytes>", or the hex alone when the prefix is empty.
std::string DerivedKey(std::string_view prefix, std::string_view bytes);

// "<prefix>:<unix seconds>:<uuid4>", or without the first part when the prefix is empty.
std::string UniqueKey(std::string_view prefix, int64_t unix_seconds);

}  // namespace onced

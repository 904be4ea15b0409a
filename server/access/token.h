// SPDX-License-Identifier: MIT
// Token: the secret that a caller shows, and its SHA-256, which is all that onced keeps of it. A
// token is 32 random bytes, so a plain hash is enough: there is nothing to guess.
//
// Threads: free functions, callable from any thread.
// Invariants: no function gives a token back from its digest, and none prints one.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace onced {

using TokenDigest = std::array<unsigned char, 32>;

// "onced_" and 64 hexadecimal digits, from OpenSSL's RAND_bytes. The prefix lets people and secret
// scanners see what it is.
std::string NewToken();

TokenDigest DigestOf(std::string_view token);

// 64 hexadecimal digits, of either case; nullopt when it is anything else.
std::optional<TokenDigest> ParseDigest(std::string_view hex);
std::string DigestText(const TokenDigest& digest);

// In a time that does not depend on where they differ.
bool SameDigest(const TokenDigest& a, const TokenDigest& b);

}  // namespace onced

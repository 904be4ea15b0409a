// SPDX-License-Identifier: MIT
#include "server/access/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "engine/check.h"

namespace onced {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::string Hex(const std::array<unsigned char, 32>& bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

}  // namespace

std::string NewToken() {
  std::array<unsigned char, 32> bytes{};
  ONCED_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  return "onced_" + Hex(bytes);
}

TokenDigest DigestOf(std::string_view token) {
  // Fetched once: OpenSSL 3 looks an algorithm up by name at each use of EVP_sha256().
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  TokenDigest digest{};
  unsigned int size = 0;
  ONCED_CHECK(EVP_Digest(token.data(), token.size(), digest.data(), &size, sha256, nullptr) == 1);
  return digest;
}

std::optional<TokenDigest> ParseDigest(std::string_view hex) {
  TokenDigest digest{};
  if (hex.size() != digest.size() * 2) return std::nullopt;
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i] >= 'A' && hex[i] <= 'F' ? static_cast<char>(hex[i] + 32) : hex[i];
    const size_t value = kDigits.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    digest[i / 2] = static_cast<unsigned char>(digest[i / 2] << 4 | value);
  }
  return digest;
}

std::string DigestText(const TokenDigest& digest) { return Hex(digest); }

bool SameDigest(const TokenDigest& a, const TokenDigest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace onced

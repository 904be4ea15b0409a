// SPDX-License-Identifier: MIT
#include "engine/keygen.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <span>

#include "engine/check.h"

namespace onced {
namespace {

std::string Hex(const unsigned char* bytes, size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (size_t i = 0; i < size; ++i) {
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

std::string Joined(std::string_view prefix, std::string_view rest) {
  std::string out(prefix);
  if (!prefix.empty()) out.push_back(':');
  return out.append(rest);
}

// A kilobyte is drawn at a time: most of a draw's price is the same for any number of bytes, and a
// run of the gateway draws twice (of its instructions it was a sixteenth).
void Draw(std::span<unsigned char> out) {
  thread_local std::array<unsigned char, 1'024> drawn;
  thread_local size_t used = drawn.size();
  ONCED_CHECK(out.size() <= drawn.size());
  if (out.size() > drawn.size() - used) {
    ONCED_CHECK(RAND_bytes(drawn.data(), static_cast<int>(drawn.size())) == 1);
    used = 0;
  }
  const std::span<unsigned char> taken = std::span(drawn).subspan(used, out.size());
  std::copy(taken.begin(), taken.end(), out.begin());
  OPENSSL_cleanse(taken.data(), taken.size());
  used += out.size();
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  // OpenSSL 3 looks an algorithm up by name at each use of EVP_sha256(); fetched once, it does not.
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  ONCED_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, sha256, nullptr) == 1);
  return Hex(digest.data(), size);
}

std::string RandomUuid() {
  std::array<unsigned char, 16> bytes{};
  Draw(bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string out = Hex(bytes.data(), bytes.size());
  for (const size_t at : {8, 13, 18, 23}) out.insert(at, 1, '-');
  return out;
}

std::string RandomHex(size_t bytes) {
  std::array<unsigned char, 64> drawn;
  ONCED_CHECK(bytes >= 1 && bytes <= drawn.size());
  Draw(std::span(drawn).first(bytes));
  return Hex(drawn.data(), bytes);
}

std::string DerivedKey(std::string_view prefix, std::string_view bytes) {
  return Joined(prefix, Sha256Hex(bytes));
}

std::string UniqueKey(std::string_view prefix, int64_t unix_seconds) {
  return Joined(prefix, std::to_string(unix_seconds) + ":" + RandomUuid());
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/wire/chance.h"

#include <openssl/rand.h>

#include <array>
#include <bit>
#include <cstring>

#include "engine/check.h"

namespace onced::wire {
namespace {

using State = std::array<uint64_t, 4>;

State Seeded() {
  State state{};
  ONCED_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(state.data()), sizeof state) == 1);
  state[0] |= 1;  // all zero would stay so
  return state;
}

// All eight at once: every request has some 36 of them.
uint64_t EightDigits(uint32_t number) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kNibbles = 0x000F000F000F000F;
  uint64_t n = __builtin_bswap32(number);  // the first byte is the first to be written
  n = (n | n << 16) & 0x0000FFFF0000FFFF;
  n = (n | n << 8) & 0x00FF00FF00FF00FF;
  n = (n >> 4 & kNibbles) | (n & kNibbles) << 8;
  const uint64_t letters = (n + 6 * kOnes) >> 4 & kOnes;  // of the digits above 9
  n += '0' * kOnes + letters * ('a' - '0' - 10);
  return std::endian::native == std::endian::little ? n : __builtin_bswap64(n);
}

uint64_t Rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

}  // namespace

uint64_t Chance() {
  thread_local State s = Seeded();
  const uint64_t result = Rotated(s[1] * 5, 7) * 9;
  const uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = Rotated(s[3], 45);
  return result;
}

void PutHex(uint64_t number, int digits, char* out) {
  const std::array<uint64_t, 2> all = {EightDigits(static_cast<uint32_t>(number >> 32)),
                                       EightDigits(static_cast<uint32_t>(number))};
  std::memcpy(out, reinterpret_cast<const char*>(all.data()) + (sizeof all - digits), digits);
}

}  // namespace onced::wire

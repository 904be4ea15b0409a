// SPDX-License-Identifier: MIT
#include "server/wire/chance.h"

#include <openssl/rand.h>

#include <array>

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
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; --i, number >>= 4) out[i] = kDigits[number & 15];
}

}  // namespace onced::wire

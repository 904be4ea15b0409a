// SPDX-License-Identifier: MIT
// The bytes of FORMAT.md: little-endian fixed integers and length-prefixed strings, written by
// ByteWriter and read back, bounds checked, by ByteReader. Private to the engine.
//
// Threads: values on the stack of one function.
// Invariants: a ByteReader that has once run short stays failed and yields zeros and empty strings.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/check.h"

namespace onced {

static_assert(std::endian::native == std::endian::little, "FORMAT.md is little-endian");

class ByteWriter {
 public:
  explicit ByteWriter(std::string* out) : out_(out) {}

  template <typename Integer>
  void Fixed(Integer value) {
    out_->append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Short(std::string_view text) {  // u8 length | bytes
    ONCED_CHECK(text.size() <= UINT8_MAX);
    Fixed(static_cast<uint8_t>(text.size()));
    out_->append(text);
  }

 private:
  std::string* out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename Integer>
  Integer Fixed() {
    Integer value{};
    const std::string_view raw = Take(sizeof value);
    if (ok_) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  std::string_view Short() { return Take(Fixed<uint8_t>()); }
  std::string_view Rest() { return Take(bytes_.size()); }
  bool ok() const { return ok_; }

 private:
  std::string_view Take(size_t size) {
    if (!ok_ || size > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

// Big-endian, for keys that must sort as their numbers do.
inline std::string BigEndian64(uint64_t value) {
  value = __builtin_bswap64(value);
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
inline uint64_t FromBigEndian64(const char* bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap64(value);
}

// The first key behind all that begin with `prefix`; "": there is none.
inline std::string EndOf(std::string prefix) {
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xFF) prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// Key: what makes two requests the same one: tenant, scope and the caller's key.
//
// It carries its own validation and its one encoding, so that no door can build a key that another
// door would read differently, and no tenant can spell a key of another.
//
// Threads: immutable.
// Invariants: 1. the encoding is injective: different (tenant, scope, key) never give equal bytes.
// 2. Keys of one tenant and scope are neighbours on disk, ordered by their bytes.
//
//   encoding:  u8 length of tenant | tenant | u8 length of scope | scope | key
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/status.h"

namespace onced {

class Key {
 public:
  static constexpr size_t kMaxLength = 255;  // of scope and of key
  static constexpr size_t kMaxTenantLength = 64;

  // InvalidArgument names the field ("tenant", "scope" or "key") when it is empty, too long, or has
  // a byte outside printable ASCII (0x21..0x7E).
  static Result<Key> Make(std::string_view tenant, std::string_view scope, std::string_view key);

  // REQUIRES: `encoded` came from encoded(). Corruption otherwise.
  static Result<Key> Decode(std::string_view encoded);

  std::string_view tenant() const { return Part(1, tenant_length_); }
  std::string_view scope() const { return Part(2 + tenant_length_, scope_length_); }
  std::string_view key() const {
    return std::string_view(encoded_).substr(2 + tenant_length_ + scope_length_);
  }
  const std::string& encoded() const { return encoded_; }

  // What every encoded key of one tenant starts with, and no other's.
  static std::string TenantPrefix(std::string_view tenant);
  // What every encoded key of one tenant and scope that starts with `prefix` starts with.
  static std::string EncodedPrefix(std::string_view tenant, std::string_view scope,
                                   std::string_view prefix);

  friend bool operator==(const Key& a, const Key& b) { return a.encoded_ == b.encoded_; }

 private:
  Key(std::string encoded, uint8_t tenant_length, uint8_t scope_length)
      : encoded_(std::move(encoded)), tenant_length_(tenant_length), scope_length_(scope_length) {}
  std::string_view Part(size_t at, size_t length) const {
    return std::string_view(encoded_).substr(at, length);
  }

  std::string encoded_;
  uint8_t tenant_length_;
  uint8_t scope_length_;
};

// InvalidArgument unless `text` is `least`..`most` bytes of printable ASCII (0x21..0x7E); `field`
// is named in the message.
Status CheckPrintable(std::string_view field, std::string_view text, size_t least, size_t most);

}  // namespace onced

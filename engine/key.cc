// SPDX-License-Identifier: MIT
#include "engine/key.h"

namespace onced {

Status CheckPrintable(std::string_view field, std::string_view text, size_t least, size_t most) {
  const bool length_ok = text.size() >= least && text.size() <= most;
  // Every field of every request comes by here, often twice; without a way out of the loop the
  // compiler looks at 16 characters at a time.
  uint8_t outside = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    outside |= static_cast<uint8_t>(byte < 0x21) | static_cast<uint8_t>(byte > 0x7E);
  }
  if (length_ok && outside == 0) return Status::Ok();
  std::string message = std::string(field) + ": must be " + std::to_string(least) + ".." +
                        std::to_string(most) + " printable ASCII characters (0x21..0x7E)";
  message +=
      length_ok ? ", without spaces or control characters" : ", got " + std::to_string(text.size());
  return Status::InvalidArgument(std::move(message));
}

std::string Key::TenantPrefix(std::string_view tenant) {
  ONCED_CHECK(tenant.size() <= kMaxTenantLength);
  std::string out(1, static_cast<char>(tenant.size()));
  return out.append(tenant);
}

std::string Key::EncodedPrefix(std::string_view tenant, std::string_view scope,
                               std::string_view prefix) {
  ONCED_CHECK(tenant.size() <= kMaxTenantLength && scope.size() <= kMaxLength);
  std::string out;
  out.reserve(2 + tenant.size() + scope.size() + prefix.size());
  out.push_back(static_cast<char>(tenant.size()));
  out.append(tenant);
  out.push_back(static_cast<char>(scope.size()));
  out.append(scope);
  out.append(prefix);
  return out;
}

Result<Key> Key::Make(std::string_view tenant, std::string_view scope, std::string_view key) {
  ONCED_RETURN_IF_ERROR(CheckPrintable("tenant", tenant, 1, kMaxTenantLength));
  ONCED_RETURN_IF_ERROR(CheckPrintable("scope", scope, 1, kMaxLength));
  ONCED_RETURN_IF_ERROR(CheckPrintable("key", key, 1, kMaxLength));
  return Key(EncodedPrefix(tenant, scope, key), static_cast<uint8_t>(tenant.size()),
             static_cast<uint8_t>(scope.size()));
}

Result<Key> Key::Decode(std::string_view encoded) {
  const auto length_at = [&](size_t at) {
    return at < encoded.size() ? static_cast<size_t>(static_cast<uint8_t>(encoded[at])) : 0;
  };
  const size_t tenant_length = length_at(0);
  const size_t scope_length = length_at(1 + tenant_length);
  if (tenant_length == 0 || scope_length == 0 ||
      encoded.size() <= 2 + tenant_length + scope_length) {
    return Status::Corruption("decode key: malformed length");
  }
  return Key(std::string(encoded), static_cast<uint8_t>(tenant_length),
             static_cast<uint8_t>(scope_length));
}

}  // namespace onced

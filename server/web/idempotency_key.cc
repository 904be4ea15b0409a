// SPDX-License-Identifier: MIT
#include "server/web/idempotency_key.h"

#include "engine/key.h"

namespace onced {
namespace {

Status Malformed(const char* name, const char* how) {
  return Status::InvalidArgument(std::string(name) + ": " + how);
}

// What stands between the quotes, its escapes undone.
Result<std::string> Unquote(const char* name, std::string_view value) {
  std::string text;
  for (size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '"') {
      if (i + 1 == value.size()) return text;
      return Malformed(name, "nothing may follow the closing quote");
    }
    if (value[i] == '\\') {
      ++i;
      if (i == value.size() || (value[i] != '"' && value[i] != '\\')) {
        return Malformed(name, "only \\\" and \\\\ are escapes");
      }
    }
    text += value[i];
  }
  return Malformed(name, "the closing quote is missing");
}

}  // namespace

Result<std::string> ReadKey(const char* name, std::string_view value) {
  std::string key;
  if (value.starts_with('"')) {
    Result<std::string> unquoted = Unquote(name, value);
    if (!unquoted.ok()) return unquoted.status();
    key = *std::move(unquoted);
  } else if (value.find('"') != std::string_view::npos) {
    return Malformed(name, "a key with a quote in it must itself be quoted");
  } else {
    key = value;
  }
  ONCED_RETURN_IF_ERROR(CheckPrintable(name, key, 1, Key::kMaxLength));
  return key;
}

Result<std::optional<std::string>> KeyInHeader(const wire::Request& request, const char* name) {
  std::optional<std::string_view> value;
  for (const auto& [header, text] : request.headers) {
    if (!wire::SameName(header, name)) continue;
    if (value.has_value()) return Malformed(name, "given more than once");
    value = text;
  }
  if (!value.has_value()) return std::optional<std::string>();
  Result<std::string> key = ReadKey(name, *value);
  if (!key.ok()) return key.status();
  return std::optional<std::string>(*std::move(key));
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/http/cursor.h"

#include <algorithm>
#include <charconv>

#include "engine/keygen.h"

namespace onced {
namespace {

constexpr size_t kMarkLength = 8;

std::string MarkOf(const ListQuery& list, std::string_view last) {
  // Neither has a space or a line's end in it.
  std::string text = list.scope + (list.scope_is_prefix ? " \n" : "\n") + list.prefix + '\n';
  return Sha256Hex(text.append(last)).substr(0, kMarkLength);
}

// In digits, which no client escapes in a way of its own: a key may hold all that a URL may not.
std::string HexOf(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : text) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

// "" when it is none.
std::string FromHex(std::string_view hex) {
  std::string text;
  for (; hex.size() >= 2; hex.remove_prefix(2)) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + 2) return {};
    text += static_cast<char>(byte);
  }
  return hex.empty() ? text : std::string();
}

}  // namespace

std::string CursorAt(const ListQuery& list, std::string_view last) {
  return MarkOf(list, last).append(HexOf(last));
}

Status GoOnAfter(const std::optional<std::string>& cursor, ListQuery* list) {
  if (!cursor.has_value()) return Status::Ok();
  const std::string last = FromHex(cursor->substr(std::min(kMarkLength, cursor->size())));
  if (last.empty() || *cursor != CursorAt(*list, last)) {
    return Status::InvalidArgument("cursor: is not from a page of this listing");
  }
  list->after = last;
  return Status::Ok();
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/http/cursor.h"

#include <algorithm>

#include "engine/keygen.h"

namespace onced {
namespace {

constexpr size_t kMarkLength = 8;

std::string MarkOf(const ListQuery& list, std::string_view last) {
  // Neither has a space or a line's end in it.
  std::string text = list.scope + (list.scope_is_prefix ? " \n" : "\n") + list.prefix + '\n';
  return Sha256Hex(text.append(last)).substr(0, kMarkLength);
}

}  // namespace

std::string CursorAt(const ListQuery& list, std::string_view last) {
  return MarkOf(list, last).append(last);
}

Status GoOnAfter(const std::optional<std::string>& cursor, ListQuery* list) {
  if (!cursor.has_value()) return Status::Ok();
  const std::string last = cursor->substr(std::min(kMarkLength, cursor->size()));
  if (last.empty() || *cursor != CursorAt(*list, last)) {
    return Status::InvalidArgument("cursor: is not from a page of this listing");
  }
  list->after = last;
  return Status::Ok();
}

}  // namespace onced

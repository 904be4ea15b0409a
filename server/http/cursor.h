// SPDX-License-Identifier: MIT
// Cursor: where a page of a listing ended, for its caller to hand back. It is a mark of the listing
// and the key after which to go on: so what was never handed out, or belongs to another listing, is
// refused instead of giving an empty page that looks like the end.
//
// Threads: pure functions.
// Invariants: printable ASCII. The mark keeps mistakes out, not people: a cursor opens nothing that
// its caller may not list anyway.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/status.h"
#include "engine/store.h"

namespace onced {

// For `list`'s scope and prefix; `last` is the last key of the page.
std::string CursorAt(const ListQuery& list, std::string_view last);

// Sets where `list` begins, when a cursor was given. InvalidArgument that names `cursor`.
Status GoOnAfter(const std::optional<std::string>& cursor, ListQuery* list);

}  // namespace onced

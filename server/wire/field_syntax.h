// SPDX-License-Identifier: MIT
// The syntax of header fields (RFC 9110, 5.5 and 5.6): what every reader and writer of them asks.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <string_view>

namespace onced::wire {

// Header names are equal whatever their case.
bool SameName(std::string_view a, std::string_view b);

// What a header, or a method, may be called.
bool IsToken(std::string_view text);

// Whether a value can stand in a line and come out of it as it was: no control byte but the tab.
bool IsFieldText(std::string_view value);

// Without the spaces and tabs around it.
std::string_view Trimmed(std::string_view text);

// Calls `take` with each element of a list (RFC 9110, 5.6.1), trimmed; empty ones are none.
template <typename Take>
void ForEachElement(std::string_view list, const Take& take) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = Trimmed(list.substr(0, comma));
    if (!element.empty()) take(element);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

}  // namespace onced::wire

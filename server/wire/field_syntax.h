// SPDX-License-Identifier: MIT
// The syntax of header fields (RFC 9110, 5.5 and 5.6): what every reader and writer of them asks.
//
// Threads: pure functions.
#pragma once

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

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// Argument: words and numbers as commands are given them, read as Redis reads them.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace onced::redis {

constexpr char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Whether an argument is this word, in whatever case. `lower` is in lower case.
constexpr bool Is(std::string_view argument, std::string_view lower) {
  if (argument.size() != lower.size()) return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    if (LowerOf(argument[i]) != lower[i]) return false;
  }
  return true;
}

// As C would print it: to its first NUL.
constexpr std::string_view CText(std::string_view text) { return text.substr(0, text.find('\0')); }

// A whole 64-bit number in its one shortest form: no plus, no blank, no leading zero.
bool ReadInteger(std::string_view text, int64_t* value);
// A number with a fraction or exponent, or "inf", but not "nan".
bool ReadFloat(std::string_view text, long double* value);
bool ReadDouble(std::string_view text, double* value);

}  // namespace onced::redis

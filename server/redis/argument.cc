// SPDX-License-Identifier: MIT
#include "server/redis/argument.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace onced::redis {
namespace {

template <typename Float>
bool ReadWith(Float (*read)(const char*, char**), std::string_view text, Float* value) {
  constexpr size_t kLongest = 5 * 1024;
  if (text.empty() || text.size() >= kLongest ||
      std::isspace(static_cast<unsigned char>(text[0]))) {
    return false;
  }
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  *value = read(copy.c_str(), &end);
  if (static_cast<size_t>(end - copy.c_str()) != copy.size()) return false;
  if (errno == ERANGE && (std::isinf(*value) || std::fpclassify(*value) == FP_ZERO)) return false;
  return !std::isnan(*value);
}

}  // namespace

bool ReadInteger(std::string_view text, int64_t* value) {
  if (text == "0") {
    *value = 0;
    return true;
  }
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits[0] < '1' || digits[0] > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

bool ReadFloat(std::string_view text, long double* value) {
  return ReadWith(std::strtold, text, value);
}

bool ReadDouble(std::string_view text, double* value) { return ReadWith(std::strtod, text, value); }

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
#include "server/wire/tag.h"

#include <array>

namespace onced::wire {

std::string_view KnownMethod(std::string_view method) {
  constexpr std::array<std::string_view, 9> kKnown = {
      "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PATCH"};
  for (const std::string_view known : kKnown) {
    if (known == method) return known;
  }
  return "OTHER";
}

}  // namespace onced::wire

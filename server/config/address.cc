// SPDX-License-Identifier: MIT
#include "server/config/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <utility>

namespace onced {

std::optional<Address> ParseAddress(std::string_view text, std::optional<uint16_t> port) {
  const size_t colon = text.rfind(':');
  const size_t bracket = text.rfind(']');
  std::string_view host = text;
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view digits = text.substr(colon + 1);
    uint16_t number = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
      return std::nullopt;
    }
    port = number;
    host = text.substr(0, colon);
  }
  if (text.empty() || !port.has_value()) return std::nullopt;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // which of its colons begins the port?
  }
  std::string numbers = host == "localhost" ? "127.0.0.1" : std::string(host);
  in_addr v4{};
  in6_addr v6{};
  const bool is_ip = inet_pton(AF_INET, numbers.c_str(), &v4) == 1 ||
                     inet_pton(AF_INET6, numbers.c_str(), &v6) == 1;
  if (!is_ip) return std::nullopt;
  return Address{.host = std::move(numbers), .port = *port};
}

std::string AddressText(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace onced

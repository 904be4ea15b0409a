// SPDX-License-Identifier: MIT
// Address: where a door listens, as flags and the configuration file write it: HOST:PORT, an IPv6
// host in brackets. A host is an IP address, or localhost.
//
// Threads: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onced {

struct Address {
  std::string host;  // "localhost" has become 127.0.0.1; nothing else is looked up
  uint16_t port = 0;
};

// As ParseAddress reads it.
std::string AddressText(const std::string& host, uint16_t port);

// nullopt: it is none. `port`: when the text has none; nullopt: it must have one.
std::optional<Address> ParseAddress(std::string_view text, std::optional<uint16_t> port);

}  // namespace onced

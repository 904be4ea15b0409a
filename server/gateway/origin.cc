// SPDX-License-Identifier: MIT
#include "server/gateway/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace onced {
namespace {

Status Wrong(std::string_view url, const std::string& why) {
  // With a user in it there may be a password in it.
  const bool secret = url.find('@') != std::string_view::npos;
  const std::string shown = secret ? "..." : std::string(url);
  return Status::InvalidArgument("upstream \"" + shown + "\": " + why);
}

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stopped == end && port >= 1 && port <= 65'535;
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

bool IsIpv6(std::string_view text) {
  in6_addr address;
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

Result<Origin> ParseUnix(std::string_view url, std::string_view path) {
  if (path.empty() || path.front() != '/') return Wrong(url, "the path of a socket begins with /");
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Wrong(url, "the path of a socket is at most " +
                          std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  if (path.find('\0') != path.npos) return Wrong(url, "there is a NUL in the path");
  return Origin{
      .url = "http://localhost", .authority = "localhost", .unix_socket = std::string(path)};
}

}  // namespace

bool IsLinkLocal(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* const v4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(v4->sin_addr.s_addr) & 0xFFFF0000U) == 0xA9FE0000U;  // 169.254.0.0/16
  }
  if (address->sa_family != AF_INET6) return false;
  const auto* const bytes = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr;
  // Not link-local, but what one cloud has in its place over IPv6.
  constexpr unsigned char kMetadata[] = {0xFD, 0, 0x0E, 0xC2, 0, 0, 0,    0,
                                         0,    0, 0,    0,    0, 0, 0x02, 0x54};
  constexpr unsigned char kMapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 169, 254};
  return (bytes[0] == 0xFE && (bytes[1] & 0xC0U) == 0x80U) ||  // fe80::/10
         std::memcmp(bytes, kMapped, sizeof(kMapped)) == 0 ||
         std::memcmp(bytes, kMetadata, sizeof(kMetadata)) == 0;
}

bool Origin::IsWrittenLinkLocal() const {
  if (!unix_socket.empty()) return false;
  std::string host = authority.substr(0, authority.rfind(':'));
  sockaddr_in v4{.sin_family = AF_INET};
  if (inet_aton(host.c_str(), &v4.sin_addr) != 0) {  // in all the forms that the resolver knows
    return IsLinkLocal(reinterpret_cast<const sockaddr*>(&v4));
  }
  if (!authority.starts_with('[')) return false;
  host = authority.substr(1, authority.find(']') - 1);
  sockaddr_in6 v6{.sin6_family = AF_INET6};
  return inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1 &&
         IsLinkLocal(reinterpret_cast<const sockaddr*>(&v6));
}

Result<Origin> Origin::Parse(std::string_view url) {
  constexpr std::string_view kUnix = "unix:";
  if (url.starts_with(kUnix)) return ParseUnix(url, url.substr(kUnix.size()));
  std::string_view rest;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (url.starts_with(scheme)) rest = url.substr(scheme.size());
  }
  if (rest.data() == nullptr) {
    return Wrong(url, "it is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH");
  }
  if (rest.find('@') != rest.npos) return Wrong(url, "it must not have a user or a password");
  if (rest.find_first_of("/?#") != rest.npos) {
    return Wrong(url, "it ends after the host and the port, without a path, not even /");
  }
  std::string_view host = rest;
  std::string_view port;
  const bool in_brackets = rest.starts_with('[');
  const size_t colon = rest.find(':', in_brackets ? rest.find(']') : 0);
  if (colon != rest.npos) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    if (!IsPort(port)) return Wrong(url, "the port is 1 to 65535");
  }
  const bool right = in_brackets ? host.size() > 2 && host.ends_with(']') &&
                                       IsIpv6(host.substr(1, host.size() - 2))
                                 : IsName(host);
  if (!right) return Wrong(url, "the host is a name, an IPv4 address, or an IPv6 one in brackets");
  return Origin{.url = std::string(url), .authority = std::string(rest)};
}

}  // namespace onced

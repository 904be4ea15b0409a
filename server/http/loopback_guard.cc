// SPDX-License-Identifier: MIT
#include "server/http/loopback_guard.h"

#include <algorithm>
#include <string>

namespace onced {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool IsIpv4Loopback(std::string_view host) {
  return host.starts_with("127.") && std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= '0' && c <= '9') || c == '.';
         });
}

// `authority`: host, with a port or not.
bool NamesLoopback(std::string_view authority) {
  if (authority.starts_with("[::1]")) {
    return authority.size() == 5 || authority.substr(5).starts_with(":");
  }
  const std::string host = Lower(authority.substr(0, authority.find(':')));
  return host == "localhost" || IsIpv4Loopback(host);
}

std::string_view AuthorityOf(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool KnownOrigin(std::string_view origin, const wire::Request& request, PortGuard guard) {
  const std::string_view authority = AuthorityOf(origin);
  if (guard == PortGuard::kLoopback) return NamesLoopback(authority);
  return !authority.empty() && Lower(authority) == Lower(request.Header("Host"));
}

bool JsonOrNone(std::string_view type) {
  const std::string media = Lower(type.substr(0, type.find(';')));
  const size_t end = media.find_last_not_of(" \t");
  return type.empty() || media.substr(0, end + 1) == "application/json";
}

}  // namespace

std::optional<Answer> RefuseForeign(const wire::Request& request, PortGuard guard) {
  const bool by_origin = guard != PortGuard::kTokens;
  // Every one of them: a header sent twice must not hide its second value.
  for (const auto& [name, value] : request.headers) {
    if (guard == PortGuard::kLoopback && wire::SameName(name, "Host") && !value.empty() &&
        !NamesLoopback(value)) {
      return ProblemOf("forbidden", "Host: this port is for loopback only");
    }
    if (by_origin && wire::SameName(name, "Origin") && !KnownOrigin(value, request, guard)) {
      return ProblemOf("forbidden", "Origin: pages of other sites may not call this port");
    }
    if (by_origin && wire::SameName(name, "Sec-Fetch-Site") && value != "same-origin" &&
        value != "none") {
      return ProblemOf("forbidden", "Sec-Fetch-Site: pages of other sites may not call this port");
    }
    if (wire::SameName(name, "Content-Type") && request.method == "POST" && !JsonOrNone(value)) {
      return ProblemOf("unsupported_media_type",
                       "Content-Type: send application/json (with curl: --json, or -H "
                       "'Content-Type: application/json')");
    }
  }
  return std::nullopt;
}

}  // namespace onced

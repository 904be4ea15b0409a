// SPDX-License-Identifier: MIT
#include "server/web/loopback_guard.h"

#include <arpa/inet.h>

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

// An address, or localhost: a name that nobody can point elsewhere.
bool CannotBeRebound(std::string_view authority) {
  const size_t end = authority.find(authority.starts_with("[") ? ']' : ':');
  const std::string host = Lower(authority.substr(0, end));
  in6_addr ignored{};
  if (!host.starts_with("["))
    return host == "localhost" || inet_pton(AF_INET, host.c_str(), &ignored) == 1;
  const std::string_view port = end == std::string_view::npos ? "x" : authority.substr(end + 1);
  return (port.empty() || port.starts_with(":")) &&
         inet_pton(AF_INET6, host.c_str() + 1, &ignored) == 1;
}

// What browsers add to a request and no page can keep them from adding.
bool IsFromBrowser(const wire::Request& request) {
  return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    return wire::SameName(header.first, "Origin") || Lower(header.first).starts_with("sec-fetch-");
  });
}

bool KnownHost(std::string_view host, const wire::Request& request, PortGuard guard) {
  if (guard == PortGuard::kLoopback) return NamesLoopback(host);
  return guard != PortGuard::kOpen || !IsFromBrowser(request) || CannotBeRebound(host);
}

bool KnownOrigin(std::string_view origin, const wire::Request& request, PortGuard guard) {
  const std::string_view authority = AuthorityOf(origin);
  if (guard == PortGuard::kLoopback) return NamesLoopback(authority);
  return !authority.empty() && Lower(authority) == Lower(request.Header("Host"));
}

// The page and its files (server/http/dashboard.h) are the same for everybody and tell nothing.
bool IsOfThePage(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return path == "/" || path == "/dashboard" || path.starts_with("/dashboard/");
}

// Somebody follows a link: what comes is shown in a window of its own, which the other site cannot
// look into, nor frame. No script of a page can have its own calls marked so.
bool FollowsALink(const wire::Request& request) {
  bool navigates = false;
  bool shows = false;
  for (const auto& [name, value] : request.headers) {
    const bool mode = wire::SameName(name, "Sec-Fetch-Mode");
    const bool dest = wire::SameName(name, "Sec-Fetch-Dest");
    if ((mode && value != "navigate") || (dest && value != "document")) return false;
    navigates = navigates || mode;
    shows = shows || dest;
  }
  return navigates && shows && request.method == "GET" && IsOfThePage(request.target);
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
    if (wire::SameName(name, "Host") && !KnownHost(value, request, guard)) {
      return ProblemOf("forbidden", guard == PortGuard::kLoopback
                                        ? "Host: this port is for loopback only"
                                        : "Host: pages may call this port by its address only");
    }
    if (by_origin && wire::SameName(name, "Origin") && !KnownOrigin(value, request, guard)) {
      return ProblemOf("forbidden", "Origin: pages of other sites may not call this port");
    }
    if (by_origin && wire::SameName(name, "Sec-Fetch-Site") && value != "same-origin" &&
        value != "none" && !FollowsALink(request)) {
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

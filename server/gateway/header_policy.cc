// SPDX-License-Identifier: MIT
#include "server/gateway/header_policy.h"

#include <algorithm>
#include <iterator>

#include "server/wire/request_parser.h"

namespace onced {
namespace {

constexpr std::string_view kHopOrFraming[] = {"Connection",
                                              "Content-Length",
                                              "Expect",
                                              "Keep-Alive",
                                              "Proxy-Authenticate",
                                              "TE",
                                              "Proxy-Authorization",
                                              "Proxy-Connection",
                                              "Trailer",
                                              "Transfer-Encoding",
                                              "Upgrade",
                                              "Via"};

constexpr std::string_view kNoKeys[] = {
    "Accept",           "Authorization", "Content-Encoding", "Content-Type",
    "Cookie",           "Date",          "Forwarded",        "Host",
    "Idempotency-Key",  "Origin",        "Prefer",           "Range",
    "Referer",          "User-Agent",    "X-Forwarded-For",  "X-Forwarded-Host",
    "X-Forwarded-Proto"};

template <typename Names>
bool Holds(const Names& names, std::string_view name) {
  return std::any_of(std::begin(names), std::end(names),
                     [name](std::string_view one) { return wire::SameName(one, name); });
}

}  // namespace

bool IsToken(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool IsHopOrFraming(std::string_view name) { return Holds(kHopOrFraming, name); }

bool NeverCarriesAKey(std::string_view name) {
  return Holds(kNoKeys, name) || IsHopOrFraming(name);
}

}  // namespace onced

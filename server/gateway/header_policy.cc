// SPDX-License-Identifier: MIT
#include "server/gateway/header_policy.h"

#include <algorithm>
#include <iterator>

#include "server/wire/field_syntax.h"

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

bool IsHopOrFraming(std::string_view name) { return Holds(kHopOrFraming, name); }

bool NeverCarriesAKey(std::string_view name) {
  return Holds(kNoKeys, name) || IsHopOrFraming(name);
}

}  // namespace onced

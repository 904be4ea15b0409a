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

constexpr std::string_view kNeverReplayed[] = {"Age",
                                               "Alt-Svc",
                                               "Authentication-Info",
                                               "Authorization",
                                               "B3",
                                               "Clear-Site-Data",
                                               "Cookie",
                                               "Date",
                                               "Host",
                                               "Onced-Policy",
                                               "Preference-Applied",
                                               "Server",
                                               "Set-Cookie",
                                               "Set-Cookie2",
                                               "Strict-Transport-Security",
                                               "X-Correlation-Id",
                                               "X-Request-Id"};

// Whole families: CORS, traces, what onced says of a replay; and WWW-Authenticate's challenges.
constexpr std::string_view kNeverReplayedFamilies[] = {
    "Access-Control-", "Idempotency-", "Idempotent-",   "Proxy-",
    "Trace",           "WWW-",         "X-Amzn-Trace-", "X-B3-"};

template <typename Names>
bool Holds(const Names& names, std::string_view name) {
  return std::any_of(std::begin(names), std::end(names),
                     [name](std::string_view one) { return wire::SameName(one, name); });
}

template <typename Families>
bool BelongsTo(const Families& families, std::string_view name) {
  return std::any_of(std::begin(families), std::end(families), [name](std::string_view family) {
    return wire::SameName(name.substr(0, family.size()), family);
  });
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

bool NeverReplayed(std::string_view name) {
  return Holds(kNeverReplayed, name) || IsHopOrFraming(name) ||
         BelongsTo(kNeverReplayedFamilies, name);
}

}  // namespace onced

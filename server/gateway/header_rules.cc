// SPDX-License-Identifier: MIT
#include "server/gateway/header_rules.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/keygen.h"
#include "server/gateway/header_policy.h"
#include "server/gateway/http_date.h"

namespace onced {
namespace {

using wire::SameName;

constexpr std::array<std::string_view, 9> kOurs = {
    "Idempotency-Degraded", "Idempotency-Expires", "Idempotency-Fence",
    "Idempotency-Replay",   "Idempotency-Status",  "Idempotent-Original-Date",
    "Idempotent-Replayed",  "Onced-Policy",        "Preference-Applied"};
constexpr std::array<std::string_view, 8> kKept = {"Cache-Control",
                                                   "Content-Disposition",
                                                   "Content-Encoding",
                                                   "Content-Language",
                                                   "Content-Type",
                                                   "ETag",
                                                   "Link",
                                                   "Location"};
constexpr std::array<std::string_view, 12> kNeverKept = {"Authentication-Info",
                                                         "Clear-Site-Data",
                                                         "Age",
                                                         "Alt-Svc",
                                                         "Authorization",
                                                         "Date",
                                                         "Server",
                                                         "Set-Cookie",
                                                         "Set-Cookie2",
                                                         "Strict-Transport-Security",
                                                         "Via",
                                                         "WWW-Authenticate"};
constexpr std::array<std::string_view, 6> kTrace = {
    "traceparent", "tracestate", "b3", "X-Request-Id", "X-Correlation-Id", "X-Amzn-Trace-Id"};

template <size_t size>
bool IsOneOf(const std::array<std::string_view, size>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [name](std::string_view one) { return SameName(one, name); });
}

bool Begins(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && SameName(name.substr(0, prefix.size()), prefix);
}

// What Connection names, of all its lines.
// Strings of their own, for the headers may be moved; hardly any request or answer has one.
std::vector<std::string> NamedByConnection(const HeaderList& headers) {
  std::vector<std::string> all;
  for (const auto& [name, value] : headers) {
    if (!SameName(name, "Connection")) continue;
    wire::ForEachElement(value, [&all](std::string_view one) { all.emplace_back(one); });
  }
  return all;
}

bool EndToEnd(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNamed = {"Authorization", "Cookie",    "Host",
                                                      "Forwarded",     "X-Real-IP", "Date"};
  return IsOneOf(kNamed, name) || Begins(name, "Content-") || Begins(name, "Idempotency-") ||
         Begins(name, "X-Forwarded-") || Begins(name, "Accept");
}

bool StaysOnHop(std::string_view name, const std::vector<std::string>& named) {
  return IsHopOrFraming(name) ||
         std::any_of(named.begin(), named.end(),
                     [name](const std::string& one) { return SameName(one, name); });
}

bool SaysWhereFrom(std::string_view name) {
  return SameName(name, "Forwarded") || SameName(name, "X-Real-IP") || Begins(name, "X-Forwarded-");
}

// What goes on anew, in our words: the id, and the trace with a span of ours (W3C Trace Context,
// 3.4). Its tracestate goes with a trace that is the client's, and with no other (4.3).
bool IsNamedAnew(std::string_view name, const Forwarding& forwarding) {
  return SameName(name, wire::kRequestIdHeader) || SameName(name, wire::kTraceParentHeader) ||
         (SameName(name, wire::kTraceStateHeader) && !forwarding.trace.is_given());
}

// CGI and its heirs read X_User_Id as X-User-Id: a look-alike of a header that is believed must not
// come from a client.
bool LooksLikeOneBelieved(std::string_view name, std::string_view principal_header) {
  if (name.find('_') == std::string_view::npos) return false;
  std::string meant(name);
  std::replace(meant.begin(), meant.end(), '_', '-');
  return IsOneOf(kOurs, meant) || SaysWhereFrom(meant) || SameName(meant, "Idempotency-Key") ||
         SameName(meant, "Authorization") || SameName(meant, principal_header);
}

void AddWhereFrom(const wire::Request& request, const wire::Peer& peer,
                  const Forwarding& forwarding, HeaderList* out) {
  std::string from = peer.address;
  if (forwarding.trusted) {
    const std::string_view before = request.Header("X-Forwarded-For");
    if (!before.empty()) from = std::string(before) + ", " + from;
  }
  out->emplace_back("X-Forwarded-For", std::move(from));
  const auto add = [&](const char* name, std::string_view own) {
    const std::string_view told = forwarding.trusted ? request.Header(name) : "";
    out->emplace_back(name, told.empty() ? own : told);
  };
  add("X-Forwarded-Proto", forwarding.tls ? "https" : "http");
  add("X-Forwarded-Host", request.Header("Host"));
}

}  // namespace

std::optional<std::string> OffenceInConnection(const wire::Request& request) {
  for (const std::string& name : NamedByConnection(request.headers)) {
    if (EndToEnd(name)) {
      return "Connection: names a header that is not for one hop only";
    }
  }
  return std::nullopt;
}

const std::string& ViaName() {
  static const std::string name = "onced-" + RandomHex(4);
  return name;
}

bool WentInACircle(const wire::Request& request) {
  constexpr size_t kPassagesMax = 3;
  size_t passages = 0;
  for (const auto& [name, value] : request.headers) {
    if (!SameName(name, "Via")) continue;
    for (size_t at = 0; (at = value.find(ViaName(), at)) != value.npos; ++at) ++passages;
  }
  return passages > kPassagesMax;
}

HeaderList HeadersForUpstream(const wire::Request& request, const wire::Peer& peer,
                              const Forwarding& forwarding) {
  const std::vector<std::string> named = NamedByConnection(request.headers);
  HeaderList out;
  out.reserve(request.headers.size() + 6);
  for (const auto& [name, value] : request.headers) {
    if (StaysOnHop(name, named) || SameName(name, "Host") || IsOneOf(kOurs, name) ||
        SaysWhereFrom(name)) {
      continue;
    }
    if (LooksLikeOneBelieved(name, forwarding.principal_header)) continue;
    if (IsNamedAnew(name, forwarding)) continue;
    if (forwarding.drop_authorization && SameName(name, "Authorization")) continue;
    if (forwarding.identity && SameName(name, "Accept-Encoding")) continue;
    if (!forwarding.key_header.empty() && SameName(name, forwarding.key_header)) continue;
    const auto is_it = [&name = name](const std::string& one) { return SameName(one, name); };
    if (std::any_of(forwarding.hidden.begin(), forwarding.hidden.end(), is_it)) continue;
    out.emplace_back(name, value);
  }
  if (!forwarding.key_header.empty() && !forwarding.key.empty()) {
    out.emplace_back(forwarding.key_header, forwarding.key);
  }
  if (!forwarding.fence.empty()) {
    out.emplace_back("Idempotency-Fence", forwarding.fence);
  }
  if (!forwarding.request_id.empty()) {
    out.emplace_back(wire::kRequestIdHeader, forwarding.request_id);
  }
  if (forwarding.trace.is_there()) {
    out.emplace_back(wire::kTraceParentHeader, forwarding.trace.TraceParent());
  }
  if (forwarding.identity) out.emplace_back("Accept-Encoding", "identity");
  AddWhereFrom(request, peer, forwarding, &out);
  std::string via;
  for (const auto& [name, value] : request.headers) {
    if (SameName(name, "Via")) via.append(via.empty() ? "" : ", ").append(value);
  }
  const std::string own = std::string(request.minor_version == 0 ? "1.0 " : "1.1 ") + ViaName();
  out.emplace_back("Via", via.empty() ? own : via + ", " + own);
  return out;
}

HeaderList HeadersForClient(HeaderList headers) {
  const std::vector<std::string> named = NamedByConnection(headers);
  std::erase_if(headers, [&](const auto& header) {
    const std::string_view name = header.first;
    return (StaysOnHop(name, named) && !SameName(name, "Via")) || IsOneOf(kOurs, name);
  });
  const bool dated = std::any_of(headers.begin(), headers.end(),
                                 [](const auto& header) { return SameName(header.first, "Date"); });
  if (!dated) headers.emplace_back("Date", HttpDateNow());
  return headers;
}

bool MayBeKept(std::string_view name) {
  return !IsHopOrFraming(name) && !SameName(name, "Host") && !IsOneOf(kOurs, name) &&
         !IsOneOf(kNeverKept, name) && !IsOneOf(kTrace, name) && !Begins(name, "Access-Control-") &&
         !Begins(name, "Proxy-") && !Begins(name, "X-B3-");
}

// What is no text reaches the first client as it came, and no other.
HeaderList HeadersToKeep(const HeaderList& headers, std::span<const std::string> more) {
  HeaderList kept;
  for (const auto& [name, value] : headers) {
    const bool asked =
        std::any_of(more.begin(), more.end(),
                    [&name = name](const std::string& one) { return SameName(one, name); });
    if (MayBeKept(name) && wire::IsFieldText(value) && (asked || IsOneOf(kKept, name)))
      kept.emplace_back(name, value);
  }
  return kept;
}

}  // namespace onced

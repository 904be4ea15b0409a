// SPDX-License-Identifier: MIT
#include "server/gateway/gateway_file.h"

#include <arpa/inet.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "server/access/credential_file.h"
#include "server/config/address.h"
#include "server/config/setting.h"
#include "server/gateway/breaker.h"
#include "server/gateway/header_policy.h"
#include "server/gateway/origin.h"
#include "server/gateway/route_file.h"
#include "server/wire/field_syntax.h"
#include "server/wire/request_parser.h"

namespace onced {
namespace {

constexpr size_t kFileMax = size_t{1} << 20;
constexpr uint32_t kCallsMax = 1'000'000;
constexpr int64_t kShortestMs = 100;
constexpr int64_t kLongestMs = 3'600'000;

constexpr const char* kLinkLocal =
    "is a link-local address, where a cloud keeps its metadata; a file's [[gateway.upstream]] can "
    "say allow_link_local = true";

std::string AnyText(const std::string&) { return ""; }

// As it is written when the system shows a peer's; an IPv4 address in IPv6 clothes as IPv4.
std::optional<std::string> CanonicalAddress(const std::string& text) {
  std::array<char, INET6_ADDRSTRLEN> shown{};
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    return inet_ntop(AF_INET, &v4, shown.data(), shown.size());
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::nullopt;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    return inet_ntop(AF_INET, &v6.s6_addr[12], shown.data(), shown.size());
  }
  return inet_ntop(AF_INET6, &v6, shown.data(), shown.size());
}

void ReadProxies(Settings* in, GatewayOptions* gateway) {
  std::vector<std::string> proxies;
  const auto judge = [](const std::string& text) {
    return std::string(CanonicalAddress(text).has_value() ? "" : "must be IP addresses");
  };
  if (!in->Texts("trusted_proxies", &proxies, judge)) return;
  for (std::string& proxy : proxies) proxy = *CanonicalAddress(proxy);
  gateway->trusted_proxies = std::move(proxies);
}

std::shared_ptr<Breaker> ReadBreaker(Settings* upstream, Faults* faults) {
  BreakerLimits limits;
  const Setting* table = upstream->Find("breaker");
  if (table == nullptr) return std::make_shared<Breaker>(limits);
  Settings in(*table, faults);
  in.Count("failures_in_row", &limits.failures_in_row, 1, kCallsMax);
  in.Number("failure_rate", &limits.failure_rate, 0.01, 1);
  in.Count("rate_calls_min", &limits.rate_calls_min, 1, kCallsMax);
  in.Duration("window", &limits.window, kShortestMs, kLongestMs);
  in.Duration("open_for", &limits.open_for, kShortestMs, kLongestMs);
  in.End();
  return std::make_shared<Breaker>(limits);
}

// Read now, so that a wrong one is told now; it is read again for the connections.
void ReadAuthorities(Settings* in, const std::string& folder, Origin* origin) {
  const Setting* setting = in->Find("ca_file");
  std::string file;
  if (setting == nullptr || !in->Text("ca_file", &file, AnyText)) return;
  if (!origin->url.starts_with("https://")) {
    return in->Wrong(*setting, "is only for an upstream at https://");
  }
  origin->ca_file = PathFrom(folder, file);
  const Result<std::string> read = ReadCredentialFile(origin->ca_file, Readers::kAnybody, kFileMax);
  if (!read.ok()) in->Wrong(*setting, file + ": " + read.status().message());
}

std::shared_ptr<const Origin> ReadOrigin(Settings* in, const std::string& folder) {
  in->Require("url");
  Origin origin;
  std::string url;
  const auto judge = [&origin](const std::string& text) -> std::string {
    Result<Origin> parsed = Origin::Parse(text);
    if (!parsed.ok()) return parsed.status().message();
    origin = std::move(*parsed);
    return "";
  };
  in->Text("url", &url, judge);
  ReadAuthorities(in, folder, &origin);
  in->Flag("allow_link_local", &origin.allow_link_local);
  if (origin.IsWrittenLinkLocal() && !origin.allow_link_local)
    in->Wrong(*in->Find("url"), kLinkLocal);
  in->Duration("connect_timeout", &origin.connect_timeout, 10, 60'000);
  return std::make_shared<const Origin>(std::move(origin));
}

void ReadUpstreams(Settings* gateway, Faults* faults, RouteSurroundings* around) {
  for (const Setting* table : gateway->Tables("upstream", "gateway.upstream")) {
    Settings in(*table, faults);
    std::string name;
    in.Require("name");
    in.Text("name", &name, JudgeName);
    if (around->upstreams.contains(name)) in.Wrong(*in.Find("name"), "is another upstream's too");
    RouteSurroundings::Upstream upstream;
    upstream.origin = ReadOrigin(&in, around->folder);
    upstream.breaker = ReadBreaker(&in, faults);
    in.End();
    // One that has no name, which is a fault, must not be asked for by any.
    if (!name.empty()) around->upstreams.emplace(name, std::move(upstream));
  }
}

const Setting* MemberOf(const Setting& table, std::string_view name) {
  for (const Setting& member : table.members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

// A route that has another's name or prefix; of two with one prefix the second is never found.
void ExpectApart(const Setting& table, std::string_view field, std::set<std::string>* taken,
                 Faults* faults) {
  const Setting* setting = MemberOf(table, field);
  if (setting == nullptr || taken->insert(setting->text).second) return;
  faults->Add(setting->at, setting->name, "is another route's too");
}

void ReadRoutes(Settings* gateway, const RouteSurroundings& around, Faults* faults,
                std::vector<Route>* routes) {
  std::set<std::string> names, prefixes;
  for (const Setting* table : gateway->Tables("route", "gateway.route")) {
    routes->push_back(ReadRoute(*table, around, faults));
    ExpectApart(*table, "name", &names, faults);
    ExpectApart(*table, "prefix", &prefixes, faults);
  }
}

void ReadListen(Settings* in, GatewayOptions* gateway) {
  std::string text;
  std::optional<Address> address;
  const auto judge = [&](const std::string& one) {
    address = ParseAddress(one, gateway->port);
    return std::string(address.has_value()
                           ? ""
                           : "must be HOST or HOST:PORT; HOST is an IP address, or localhost");
  };
  if (!in->Text("listen", &text, judge)) return;
  gateway->host = address->host;
  gateway->port = address->port;
  gateway->enabled = true;
}

}  // namespace

Status ReadPrincipal(std::string_view text, GatewayOptions* gateway) {
  constexpr std::string_view kHeader = "header:";
  const std::map<std::string_view, PrincipalSource> words = {
      {"none", PrincipalSource::kNone},
      {"token", PrincipalSource::kToken},
      {"certificate", PrincipalSource::kCertificate}};
  const auto word = words.find(text);
  if (word != words.end()) {
    gateway->principal = word->second;
    gateway->principal_header.clear();
    return Status::Ok();
  }
  if (!text.starts_with(kHeader)) {
    return Status::InvalidArgument(
        "must be \"token\", \"certificate\", \"header:NAME\" or \"none\"" +
        DidYouMean(text, {"token", "certificate", "none"}));
  }
  const std::string_view name = text.substr(kHeader.size());
  // Authorization may tell who asks, though not after the token in it was renewed.
  if (!wire::IsToken(name) || (NeverCarriesAKey(name) && !wire::SameName(name, "Authorization"))) {
    return Status::InvalidArgument("header:NAME must name a header that tells who asks");
  }
  gateway->principal = PrincipalSource::kHeader;
  gateway->principal_header = std::string(name);
  return Status::Ok();
}

Result<Route> OnlyRoute(std::string_view url, Route unless_said) {
  Result<Origin> origin = Origin::Parse(url);
  if (!origin.ok()) return origin.status();
  if (origin->IsWrittenLinkLocal()) return Status::InvalidArgument(kLinkLocal);
  unless_said.origin = std::make_shared<const Origin>(std::move(*origin));
  unless_said.breaker = std::make_shared<Breaker>();
  return unless_said;
}

void ReadGatewaySection(const Setting& section, const std::string& file, const Route& unless_said,
                        Faults* faults, GatewayOptions* gateway) {
  Settings in(section, faults);
  ReadListen(&in, gateway);
  std::string principal;
  in.Text("principal", &principal,
          [&](const std::string& said) { return ReadPrincipal(said, gateway).message(); });
  in.Flag("raw_targets", &gateway->raw_targets);
  ReadProxies(&in, gateway);
  RouteSurroundings around;
  around.folder = std::filesystem::path(file).parent_path().string();
  around.unless_said = unless_said;
  ReadUpstreams(&in, faults, &around);
  ReadRoutes(&in, around, faults, &gateway->routes);
  in.End();
}

}  // namespace onced

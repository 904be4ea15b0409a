// SPDX-License-Identifier: MIT
// What must go together of what was asked for: that half a pair is no TLS, and that strangers can
// reach nothing that nobody has said they may.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/gateway/origin.h"
#include "server/serve_table.h"

namespace onced {
namespace {

// What is of a data folder alone.
bool IsOfFiles(std::string_view option) {
  constexpr std::array<std::string_view, 5> kNames = {"data", "durability", "sync-interval",
                                                      "footprint", "accept-data-loss"};
  return std::find(kNames.begin(), kNames.end(), option) != kNames.end();
}

// Of what can be told from how they are written; the rest is found when a request comes back.
bool LeadsBack(const Origin& upstream, const GatewayOptions& gateway) {
  const std::string port = ":" + std::to_string(gateway.port);
  if (!upstream.unix_socket.empty() || !upstream.authority.ends_with(port)) return false;
  std::string host = upstream.authority.substr(0, upstream.authority.size() - port.size());
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const bool everywhere = gateway.host == "0.0.0.0" || gateway.host == "::";
  if (host == "localhost") return everywhere || IsLoopback(gateway.host);
  return host == gateway.host || (everywhere && IsLoopback(host));
}

}  // namespace

// What no single option can tell: whether they are safe together.
Status ServeTable::CheckTogether() {
  if (options_.redis_scripts.has_value() && !options_.redis.has_value()) {
    return Status::InvalidArgument(Written("redis-scripts") + ": needs --redis");
  }
  ONCED_RETURN_IF_ERROR(CheckStore());
  ONCED_RETURN_IF_ERROR(CheckPorts());
  ONCED_RETURN_IF_ERROR(CheckAccess());
  ONCED_RETURN_IF_ERROR(CheckTransport());
  ONCED_RETURN_IF_ERROR(CheckGateway());
  return options_.gateway.enabled ? CheckPrincipal() : Status::Ok();
}

// Where the store is a database there are no files of onced's, nor anything that is about them.
Status ServeTable::CheckStore() {
  const bool database = !options_.store.empty();
  for (Option& row : rows_.rows()) {
    row.idle = database ? IsOfFiles(row.name) : row.name == "store-connections";
    if (!row.idle || row.source == Source::kDefault) continue;
    return Status::InvalidArgument(
        Written(row.name) + (database ? ": is about a data folder, and with --store there is none"
                                      : ": needs --store URL"));
  }
  if (!database || !options_.redis.has_value()) return Status::Ok();
  return Status::InvalidArgument(Written("redis") +
                                 ": Redis' values are in a data folder, and with --store there is "
                                 "none; run a second onced for them");
}

// Each door has an address of its own.
Status ServeTable::CheckPorts() const {
  std::vector<std::pair<const char*, Address>> doors = {
      {"http", {.host = options_.host, .port = options_.port}}};
  if (options_.redis.has_value()) doors.emplace_back("redis", *options_.redis);
  if (options_.gateway.enabled) {
    doors.emplace_back("gateway",
                       Address{.host = options_.gateway.host, .port = options_.gateway.port});
  }
  for (size_t i = 0; i < doors.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const Address &one = doors[j].second, &other = doors[i].second;
      if (one.port == 0 || one.port != other.port || one.host != other.host) continue;
      return Status::InvalidArgument(Written(doors[i].first) + ": " + other.host + ":" +
                                     std::to_string(other.port) + " is also that of " +
                                     Written(doors[j].first) + "; each door has its own");
    }
  }
  return Status::Ok();
}

// Who may call where strangers can.
Status ServeTable::CheckAccess() const {
  if (!options_.tokens.empty() && options_.insecure_no_auth) {
    return Status::InvalidArgument(Written("insecure-no-auth") +
                                   ": does not go with --tokens: choose one");
  }
  const bool redis_beyond = options_.redis.has_value() && !IsLoopback(options_.redis->host);
  const bool beyond = redis_beyond || !IsLoopback(options_.host);
  if (!beyond || !options_.tokens.empty() || options_.insecure_no_auth) return Status::Ok();
  return Status::InvalidArgument(
      Written(IsLoopback(options_.host) ? "redis" : "http") +
      ": an address that is not loopback (127.0.0.0/8, [::1]) needs --tokens FILE, or "
      "--insecure-no-auth to let everybody in");
}

// Who is on the way must not read: other machines are served by TLS, or by somebody's word.
Status ServeTable::CheckTransport() const {
  const bool tls = !options_.tls.certificate.empty();
  if (tls != !options_.tls.key.empty()) {
    return Status::InvalidArgument(Written(tls ? "tls-cert" : "tls-key") +
                                   ": needs both --tls-cert and --tls-key");
  }
  if (!tls && !options_.tls.client_ca.empty()) {
    return Status::InvalidArgument(Written("tls-client-ca") + ": needs --tls-cert and --tls-key");
  }
  if (tls && options_.insecure_plaintext) {
    return Status::InvalidArgument(Written("insecure-plaintext") + ": contradicts --tls-cert");
  }
  const char* beyond = nullptr;
  if (options_.gateway.enabled && !IsLoopback(options_.gateway.host)) beyond = "gateway";
  if (options_.redis.has_value() && !IsLoopback(options_.redis->host)) beyond = "redis";
  if (!IsLoopback(options_.host)) beyond = "http";
  if (tls || options_.insecure_plaintext || beyond == nullptr) return Status::Ok();
  return Status::InvalidArgument(
      Written(beyond) +
      ": beyond loopback (127.0.0.0/8, [::1]) this needs --tls-cert and --tls-key, or, where the "
      "network itself is safe, --insecure-plaintext");
}

Status ServeTable::CheckGateway() const {
  const GatewayOptions& gateway = options_.gateway;
  if (gateway.enabled) {
    for (const Route& route : gateway.routes) {
      if (!LeadsBack(*route.origin, gateway)) continue;
      return Status::InvalidArgument(
          (upstream_.empty() ? InFile("gateway.upstream") : Written("upstream")) + ": " +
          route.origin->url + " is the gateway's own address");
    }
    if (!gateway.routes.empty()) return Status::Ok();
    return Status::InvalidArgument(
        Written("gateway") +
        ": needs --upstream URL, or a [[gateway.route]] in the file of --config");
  }
  const std::string missing = ": needs --gateway ADDR, or `listen` in the [gateway] of --config";
  if (!upstream_.empty()) return Status::InvalidArgument(Written("upstream") + missing);
  if (principal_.principal != PrincipalSource::kUnset) {
    return Status::InvalidArgument(Written("gateway-principal") + missing);
  }
  if (!gateway.routes.empty()) return Status::InvalidArgument(InFile("gateway.route") + missing);
  return Status::Ok();
}

// A key belongs to somebody: where strangers can ask, somebody must have said who they are.
Status ServeTable::CheckPrincipal() const {
  const GatewayOptions& gateway = options_.gateway;
  const auto refuse = [this](const char* why) {
    return Status::InvalidArgument(Written("gateway-principal") + ": " + why);
  };
  const bool beyond = !IsLoopback(gateway.host);
  if (gateway.principal == PrincipalSource::kUnset && beyond) {
    return refuse(
        "beyond loopback (127.0.0.0/8, [::1]) choose whose a key is: token (with --tokens), "
        "certificate (with --tls-client-ca), header:NAME (with trusted_proxies), or none, where "
        "all callers may see each other's answers");
  }
  if (gateway.principal == PrincipalSource::kToken && options_.tokens.empty()) {
    return refuse("token needs --tokens FILE");
  }
  if (gateway.principal == PrincipalSource::kCertificate && options_.tls.client_ca.empty()) {
    return refuse("certificate needs --tls-client-ca FILE");
  }
  if (gateway.principal == PrincipalSource::kHeader && beyond && gateway.trusted_proxies.empty()) {
    return refuse(
        "header:NAME, beyond loopback, is believed only from trusted_proxies: name them in the "
        "[gateway] of --config");
  }
  return Status::Ok();
}

}  // namespace onced

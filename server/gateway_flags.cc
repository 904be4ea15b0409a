// SPDX-License-Identifier: MIT
#include "server/gateway_flags.h"

#include <CLI/CLI.hpp>

#include "server/gateway/gateway_file.h"
#include "server/gateway/origin.h"

namespace onced {
namespace {

// A key belongs to somebody: where strangers can ask, somebody must have said who they are.
void CheckPrincipal(const ServeOptions& options) {
  const GatewayOptions& gateway = options.gateway;
  const auto refuse = [](const char* why) {
    throw CLI::ValidationError("--gateway-principal", why);
  };
  const bool beyond = !IsLoopback(gateway.host);
  if (gateway.principal == PrincipalSource::kUnset && beyond) {
    refuse(
        "beyond loopback (127.0.0.0/8, [::1]) choose whose a key is: token (with --tokens), "
        "certificate (with --tls-client-ca), header:NAME (with trusted_proxies), or none, where "
        "all callers may see each other's answers");
  }
  if (gateway.principal == PrincipalSource::kToken && options.tokens.empty()) {
    refuse("token needs --tokens FILE");
  }
  if (gateway.principal == PrincipalSource::kCertificate && options.tls.client_ca.empty()) {
    refuse("certificate needs --tls-client-ca FILE");
  }
  if (gateway.principal == PrincipalSource::kHeader && beyond && gateway.trusted_proxies.empty()) {
    refuse(
        "header:NAME, beyond loopback, is believed only from trusted_proxies: name them in the "
        "[gateway] of --config");
  }
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

void GatewayFlags::AddTo(CLI::App* app) {
  const auto not_empty = [](const std::string& text) {
    return text.empty() ? "must not be empty" : "";
  };
  app->add_option("--config", config_,
                  "the configuration file: the gateway's routes (see server/GATEWAY.md)")
      ->type_name("FILE")
      ->check(not_empty);
  app->add_option_function<std::string>(
         "--gateway",
         [this](const std::string& text) {
           listen_ = ParseAddress(text, GatewayOptions().port);
           if (!listen_.has_value()) {
             throw CLI::ValidationError("--gateway", "must be HOST or HOST:PORT (port 6680)");
           }
         },
         "serve the gateway here: a proxy that makes retried requests safe")
      ->type_name("ADDR");
  app->add_option_function<std::string>(
         "--upstream",
         [this](const std::string& url) {
           const Result<Route> route = OnlyRoute(url, Route());
           if (!route.ok()) throw CLI::ValidationError("--upstream", route.status().message());
           upstream_ = url;
         },
         "the service behind it, where no file has routes: http://, https:// or unix:/PATH")
      ->type_name("URL");
  app->add_option_function<std::string>(
         "--gateway-principal",
         [this](const std::string& text) {
           const Status read = ReadPrincipal(text, &principal_);
           if (!read.ok()) throw CLI::ValidationError("--gateway-principal", read.message());
         },
         "whose a key is: the onced token's, the client certificate's, a header's that a proxy in "
         "front sets, or none: all callers are one")
      ->type_name("token|certificate|header:NAME|none");
}

void GatewayFlags::Settle(ServeOptions* options) const {
  GatewayOptions& gateway = options->gateway;
  Route unless_said;
  unless_said.lease = options->lease;
  unless_said.retention = options->retention;
  if (!config_.empty()) {
    const Status loaded = LoadGatewayFile(config_, unless_said, &gateway);
    if (!loaded.ok()) throw CLI::ValidationError("--config", loaded.message());
  }
  if (listen_.has_value()) {
    gateway.host = listen_->host;
    gateway.port = listen_->port;
    gateway.enabled = true;
  }
  if (principal_.principal != PrincipalSource::kUnset) {
    gateway.principal = principal_.principal;
    gateway.principal_header = principal_.principal_header;
  }
  if (upstream_.empty()) return;
  if (!gateway.routes.empty()) {
    throw CLI::ValidationError("--upstream", config_ + " has routes of its own: choose one");
  }
  gateway.routes.push_back(*OnlyRoute(upstream_, unless_said));
}

void GatewayFlags::CheckWhole(const GatewayOptions& gateway) const {
  if (gateway.enabled) {
    for (const Route& route : gateway.routes) {
      if (!LeadsBack(*route.origin, gateway)) continue;
      throw CLI::ValidationError(upstream_.empty() ? "--config" : "--upstream",
                                 route.origin->url + " is the gateway's own address");
    }
    if (!gateway.routes.empty()) return;
    throw CLI::ValidationError(
        "--gateway", "needs --upstream URL, or a [[gateway.route]] in the file of --config");
  }
  const char* missing = "needs --gateway ADDR, or `listen` in the [gateway] of --config";
  if (!upstream_.empty()) throw CLI::ValidationError("--upstream", missing);
  if (principal_.principal != PrincipalSource::kUnset) {
    throw CLI::ValidationError("--gateway-principal", missing);
  }
  if (!gateway.routes.empty()) throw CLI::ValidationError("--config", missing);
}

void GatewayFlags::Check(const ServeOptions& options) const {
  CheckWhole(options.gateway);
  if (options.gateway.enabled) CheckPrincipal(options);
}

}  // namespace onced

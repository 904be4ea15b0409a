// SPDX-License-Identifier: MIT
// The rows of the table: every setting that onced serves by, section by section.
#include "server/config/secret_words.h"
#include "server/database_storage.h"
#include "server/gateway/gateway_file.h"
#include "server/serve_table.h"

namespace onced {
namespace {

constexpr uint16_t kRedisPort = 6379;

std::string NotEmpty(const std::string& text) { return text.empty() ? "must not be empty" : ""; }

std::string PrincipalText(const GatewayOptions& gateway) {
  switch (gateway.principal) {
    case PrincipalSource::kUnset:
      return "";
    case PrincipalSource::kNone:
      return "none";
    case PrincipalSource::kToken:
      return "token";
    case PrincipalSource::kCertificate:
      return "certificate";
    case PrincipalSource::kHeader:
      return "header:" + gateway.principal_header;
  }
  return "";
}

}  // namespace

ServeTable::ServeTable() {
  rows_
      .Text("config", "FILE", &config_,
            "the configuration file (see `onced config example`, server/GATEWAY.md)", NotEmpty)
      .InFileAs("")
      .For("everybody with more than a few flags, or with routes for the gateway");
  AddListener();
  AddGateway();
  AddAccess();
  AddTls();
  AddStore();
  AddLimits();
  AddLog();
}

void ServeTable::AddListener() {
  ServeOptions* const o = &options_;
  rows_.Section("Doors");
  rows_
      .Own(
          "http", "ADDR", "where the API listens (port 0: any free one)",
          [o](const std::string& text) {
            const std::optional<Address> address = ParseAddress(text, std::nullopt);
            if (!address.has_value()) {
              return Status::InvalidArgument(
                  "must be HOST:PORT, such as 127.0.0.1:6623; HOST is an IP address, or localhost");
            }
            o->host = address->host;
            o->port = address->port;
            return Status::Ok();
          },
          [o] { return AddressText(o->host, o->port); })
      .For("who serves other machines, or has the port in use");
  rows_
      .Own(
          "redis", "ADDR", "serve Redis clients here",
          [o](const std::string& text) {
            const std::optional<Address> address = ParseAddress(text, kRedisPort);
            // 6379 alone would be an odd way to write an address.
            const bool is_number = text.find_first_not_of("0123456789") == text.npos;
            if (!address.has_value() || is_number) {
              return Status::InvalidArgument(
                  "must be HOST or HOST:PORT, such as 127.0.0.1 or 127.0.0.1:6379; HOST is an IP "
                  "address, or localhost");
            }
            o->redis = address;
            return Status::Ok();
          },
          [o] { return o->redis.has_value() ? AddressText(o->redis->host, o->redis->port) : ""; })
      .Like("127.0.0.1:6379")
      .For("who has clients, locks or tests that speak Redis");
  Option& scripts = rows_.Own(
      "redis-scripts", "on|off",
      "run the Lua scripts of Redis clients: on or off (on where --redis is loopback)",
      [o](const std::string& text) {
        if (text != "on" && text != "off") return Status::InvalidArgument("must be on or off");
        o->redis_scripts = text == "on";
        return Status::Ok();
      },
      [o]() -> std::string {
        return o->redis_scripts.has_value() ? (*o->redis_scripts ? "on" : "off") : "";
      });
  scripts.form = Option::Form::kSwitch;
  scripts.Like("off").For("who lets strangers near the Redis door, or must run scripts there");
}

void ServeTable::AddGateway() {
  rows_.Section("Gateway");
  rows_
      .Own(
          "gateway", "ADDR", "serve the gateway here: a proxy that makes retried requests safe",
          [this](const std::string& text) {
            const std::optional<Address> address = ParseAddress(text, GatewayOptions().port);
            if (!address.has_value()) {
              return Status::InvalidArgument(
                  "must be HOST or HOST:PORT (port 6680); HOST is an IP address, or localhost");
            }
            gateway_ = address;
            return Status::Ok();
          },
          [this]() -> std::string {
            const GatewayOptions& gateway = options_.gateway;
            return gateway.enabled ? AddressText(gateway.host, gateway.port) : "";
          })
      .InFileAs("gateway.listen")
      .Like("127.0.0.1:6680")
      .For("who wants a service safe that must not change");
  rows_
      .Own(
          "upstream", "URL",
          "the service behind it, where no file has routes: http://, https:// or unix:/PATH",
          [this](const std::string& url) {
            const Result<Route> route = OnlyRoute(url, Route());
            if (!route.ok()) return route.status();
            upstream_ = url;
            return Status::Ok();
          },
          [this] { return upstream_; })
      .InFileAs("")
      .Like("http://127.0.0.1:3000")
      .For("who has one service and no rules of its own; else a [[gateway.route]]");
  rows_
      .Own(
          "gateway-principal", "token|certificate|header:NAME|none",
          "whose a key is: the onced token's, the client certificate's, a header's that a proxy in "
          "front sets, or none: all callers are one",
          [this](const std::string& text) { return ReadPrincipal(text, &principal_); },
          [this] { return PrincipalText(options_.gateway); })
      .InFileAs("gateway.principal")
      .Like("none")
      .For("everybody whose gateway others can reach: their answers are kept apart by it");
}

void ServeTable::AddAccess() {
  ServeOptions* const o = &options_;
  rows_.Section("Access");
  rows_
      .Text("tokens", "FILE", &o->tokens,
            "who may call: a token file (see README, \"Who may call\")", NotEmpty)
      .Like("/etc/onced/tokens.toml")
      .For("who has several tenants, or callers on other machines");
  rows_
      .Flag("insecure-no-auth", &o->insecure_no_auth,
            "let everybody who can reach the port call everything")
      .For("who trusts everybody in a network that is cut off");
}

void ServeTable::AddTls() {
  ServeOptions* const o = &options_;
  rows_
      .Text("tls-cert", "FILE", &o->tls.certificate,
            "serve TLS with this certificate (PEM, a chain)", NotEmpty)
      .Like("/etc/onced/cert.pem")
      .For("who serves other machines");
  rows_.Text("tls-key", "FILE", &o->tls.key, "its key (PEM, mode 0600)", NotEmpty)
      .Like("/etc/onced/key.pem")
      .For("the same");
  rows_
      .Text("tls-client-ca", "FILE", &o->tls.client_ca,
            "take only clients with a certificate that one of these signed", NotEmpty)
      .Like("/etc/onced/clients.pem")
      .For("who knows callers by certificates");
  rows_
      .Flag("insecure-plaintext", &o->insecure_plaintext,
            "serve other machines without TLS: whoever is on the way reads and changes it all")
      .For("who has TLS ended in front, or a network that is safe by itself");
}

void ServeTable::AddStore() {
  ServeOptions* const o = &options_;
  rows_.Section("Storage");
  rows_
      .Own(
          "store", "URL",
          "keep everything in a database that many onceds share, instead of a data folder: "
          "postgres://..., as libpq reads it",
          [o](const std::string& url) {
            ONCED_RETURN_IF_ERROR(DatabaseStorage::CheckUrl(url));
            o->store = url;
            return Status::Ok();
          },
          [o] { return WithoutSecrets(o->store); })
      .Like("postgres://onced@db.example:5432/onced")
      .For("who runs more than one onced; keep the password out of it: PGPASSFILE, PGPASSWORD");
  rows_
      .Count("store-connections", &o->store_connections, 1, 1'000,
             "connections to that database, at most, but for one that listens")
      .For("whose database is far away, or has few connections left");
  rows_.Text("data", "DIR", &o->data, "the data folder", NotEmpty)
      .For("who starts it from more than one place, and every service");
  rows_
      .Choice<Durability>("durability", &o->durability,
                          {{"sync", Durability::kSync},
                           {"interval", Durability::kInterval},
                           {"os", Durability::kOs}},
                          "when an answer may leave: see README, \"The promise\"")
      .For("who may lose the last moments to a power cut, for speed");
  rows_
      .Duration("sync-interval", &o->sync_interval, 1, 60'000,
                "how often --durability interval syncs")
      .For("who chose interval and counts in other moments");
  rows_
      .Duration("lease", &o->lease, kLeaseMinMs, kLeaseMaxMs,
                "how long an unfinished claim holds, unless the claim says")
      .For("whose work takes longer, or must be retaken sooner after a crash");
  rows_
      .Duration("retention", &o->retention, kRetentionMinMs, kRetentionMaxMs,
                "how long a result is kept, unless the request says")
      .For("whose clients retry later than a day, or whose disk is small");
  rows_.Switch("audit", &o->audit, "keep one row a run, shown as the key's history")
      .For("who needs no history, and a third more speed");
  rows_
      .Duration("audit-retention", &o->audit_retention, kRetentionMinMs, kRetentionMaxMs,
                "how long such a row is kept")
      .For("who must answer for what was done longer ago");
  rows_
      .Duration("unknown-retention", &o->unknown_retention, 0, kRetentionMaxMs,
                "how long an unknown outcome is kept (0ms: until it is resolved)")
      .For("who has nobody to resolve them, and work that may run again after so long");
  rows_
      .Choice<Footprint>("footprint", &o->footprint,
                         {{"server", Footprint::kServer}, {"edge", Footprint::kEdge}},
                         "memory to use: edge stays under 256 MiB")
      .For("small machines");
  rows_
      .Flag("accept-data-loss", &o->accept_data_loss,
            "open although synced data is missing; what is missing is lost")
      .FlagOnly()
      .For("who was told by a start that data is missing, and has no copy of it");
}

void ServeTable::AddLimits() {
  ServeOptions* const o = &options_;
  rows_.Section("Stop");
  rows_
      .Duration("drain-delay", &o->drain_delay, 0, 600'000,
                "how long a stop goes on serving while /readyz says 503")
      .For("balancers in front: longer than they take to look");
  rows_
      .Duration("drain-timeout", &o->drain_timeout, 0, 600'000,
                "how long it then waits for what runs")
      .For("whose requests take longer, or whose service manager waits less");
  rows_.Section("Limits");
  rows_
      .Count("waiters-max", &o->waiters.in_all, 0, 1'000'000,
             "callers that may wait at a time for somebody else's run")
      .For("who has more duplicates waiting than that, or little memory");
  rows_.Count("waiters-per-key-max", &o->waiters.per_key, 0, 1'000'000, "of them for one key")
      .For("the same");
  rows_
      .Count("connections-max", &o->connections_max, 1, 1'000'000,
             "connections at a time, of each door")
      .For("who has more clients, or few open files");
  wire::RequestLimits& limits = o->limits;
  rows_.Size("head-bytes-max", &limits.head_bytes, 1024, 1 << 20, "of a request's head")
      .For("whose clients send long headers");
  rows_.Count("headers-max", &limits.headers, 8, 1'000, "headers of a request").For("the same");
  rows_.Size("path-bytes-max", &limits.path_bytes, 64, limits.target_bytes, "of its path")
      .For("who has a gateway before long paths");
  rows_.Size("body-bytes-max", &limits.body_bytes, 1024, kResultMax, "of its body")
      .For("whose results or requests are larger");
  wire::Deadlines& deadlines = o->deadlines;
  const auto deadline = [this](const char* name, std::chrono::milliseconds* value, const char* help,
                               const char* who) {
    rows_.Duration(name, value, 100, 3'600'000, help).For(who);
  };
  deadline("handshake-timeout", &deadlines.handshake, "for a TLS handshake", "slow networks");
  deadline("head-timeout", &deadlines.head, "for a request's head", "slow networks");
  deadline("body-timeout", &deadlines.body, "for its body (1 KiB/s at least in any case)",
           "slow networks");
  deadline("idle-timeout", &deadlines.idle, "between two requests of a connection",
           "balancers in front: longer than theirs");
  deadline("write-timeout", &deadlines.write, "for a client to take its answers", "slow networks");
}

void ServeTable::AddLog() {
  ServeOptions* const o = &options_;
  rows_.Section("Log");
  rows_
      .Choice<LogFormat>(
          "log-format", &o->log_format,
          {{"auto", LogFormat::kAuto}, {"json", LogFormat::kJson}, {"text", LogFormat::kText}},
          "of the lines on stderr: auto is text on a terminal, else a JSON object a line")
      .For("who reads a pipe or a file by eye, or collects from a terminal");
  rows_
      .Choice<LogLevel>("log-level", &o->log_level,
                        {{"debug", LogLevel::kDebug},
                         {"info", LogLevel::kInfo},
                         {"warn", LogLevel::kWarn},
                         {"error", LogLevel::kError}},
                        "the least that is told")
      .For("who wants to hear of trouble only");
  rows_
      .Choice<AccessLines>(
          "access-log", &o->access.lines,
          {{"off", AccessLines::kOff},
           {"errors", AccessLines::kErrors},
           {"all", AccessLines::kAll}},
          "a line of each request over HTTP that failed or was slow (errors), of none, or of all")
      .For("who must show each request, at some cost, or counts failures elsewhere");
  rows_
      .Duration("slow-request", &o->access.slow, 0, 3'600'000,
                "how long a request takes that is told of as slow (0ms: none)")
      .For("whose callers wait less, or whose services take longer");
}

}  // namespace onced

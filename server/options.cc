// SPDX-License-Identifier: MIT
#include "server/options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "server/config/address.h"
#include "server/config/quantity.h"
#include "server/gateway_flags.h"

namespace onced {
namespace {

constexpr uint16_t kRedisPort = 6379;

using std::chrono::milliseconds;

// A flag such as `--lease 30s`, within limits that the message names.
void AddDuration(CLI::App* app, const std::string& name, milliseconds* value, int64_t least_ms,
                 int64_t most_ms, const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [=](const std::string& text) {
           const Result<milliseconds> read = ReadDuration(text, least_ms, most_ms);
           if (!read.ok()) throw CLI::ValidationError(name, read.status().message());
           *value = *read;
         },
         help)
      ->type_name("TIME")
      ->default_str(DurationText(value->count()));
}

// A flag such as `--body-bytes-max 1MiB`, within limits that the message names.
template <typename Number>
void AddSize(CLI::App* app, const std::string& name, Number* value, uint64_t least, uint64_t most,
             const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [=](const std::string& text) {
           const Result<uint64_t> read = ReadSize(text, least, most);
           if (!read.ok()) throw CLI::ValidationError(name, read.status().message());
           *value = static_cast<Number>(*read);
         },
         help)
      ->type_name("SIZE")
      ->default_str(SizeText(*value));
}

void AddCount(CLI::App* app, const std::string& name, size_t* value, size_t least, size_t most,
              const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [=](const std::string& text) {
           size_t number = 0;
           const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
           const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
           if (!whole || number < least || number > most) {
             throw CLI::ValidationError(
                 name, "must be " + std::to_string(least) + ".." + std::to_string(most));
           }
           *value = number;
         },
         help)
      ->type_name("NUMBER")
      ->default_str(std::to_string(*value));
}

template <typename Enum>
void AddChoice(CLI::App* app, const std::string& name, Enum* value,
               const std::map<std::string, Enum>& choices, const std::string& fallback,
               const std::string& help) {
  std::string names;
  for (const auto& [choice, unused] : choices) names += (names.empty() ? "" : "|") + choice;
  app->add_option_function<std::string>(
         name,
         [=](const std::string& text) {
           const auto found = choices.find(text);
           if (found == choices.end()) {
             throw CLI::ValidationError(name, "must be one of " + names);
           }
           *value = found->second;
         },
         help)
      ->type_name(names)
      ->default_str(fallback);
}

void AddDataFolder(CLI::App* app, std::string* folder) {
  app->add_option("--data", *folder, "the data folder")
      ->type_name("DIR")
      ->capture_default_str()
      ->check([](const std::string& text) { return text.empty() ? "must not be empty" : ""; });
}

void AddStoreFlags(CLI::App* app, ServeOptions* o) {
  AddDataFolder(app, &o->data);
  AddChoice<Durability>(
      app, "--durability", &o->durability,
      {{"sync", Durability::kSync}, {"interval", Durability::kInterval}, {"os", Durability::kOs}},
      "sync", "when an answer may leave: see README, \"The promise\"");
  AddDuration(app, "--sync-interval", &o->sync_interval, 1, 60'000,
              "how often --durability interval syncs");
  AddDuration(app, "--lease", &o->lease, kLeaseMinMs, kLeaseMaxMs,
              "how long an unfinished claim holds, unless the claim says");
  AddDuration(app, "--retention", &o->retention, kRetentionMinMs, kRetentionMaxMs,
              "how long a result is kept, unless the request says");
  AddChoice<bool>(app, "--audit", &o->audit, {{"on", true}, {"off", false}}, "on",
                  "keep one row a run, shown as the key's history");
  AddDuration(app, "--audit-retention", &o->audit_retention, kRetentionMinMs, kRetentionMaxMs,
              "how long such a row is kept");
  AddDuration(app, "--unknown-retention", &o->unknown_retention, 0, kRetentionMaxMs,
              "how long an unknown outcome is kept (0ms: until it is resolved)");
  AddCount(app, "--waiters-max", &o->waiters.in_all, 0, 1'000'000,
           "callers that may wait at a time for somebody else's run");
  AddCount(app, "--waiters-per-key-max", &o->waiters.per_key, 0, 1'000'000, "of them for one key");
  AddChoice<Footprint>(app, "--footprint", &o->footprint,
                       {{"server", Footprint::kServer}, {"edge", Footprint::kEdge}}, "server",
                       "memory to use: edge stays under 256 MiB");
  app->add_flag("--accept-data-loss", o->accept_data_loss,
                "open although synced data is missing; what is missing is lost");
}

void AddListenerFlags(CLI::App* app, ServeOptions* o) {
  app->add_option_function<std::string>(
         "--http",
         [o](const std::string& text) {
           const std::optional<Address> address = ParseAddress(text, std::nullopt);
           if (!address.has_value()) {
             throw CLI::ValidationError("--http", "must be HOST:PORT, such as 127.0.0.1:6623");
           }
           o->host = address->host;
           o->port = address->port;
         },
         "where the API listens (port 0: any free one)")
      ->type_name("ADDR")
      ->default_str("127.0.0.1:6623");
  app->add_option_function<std::string>(
         "--redis",
         [o](const std::string& text) {
           o->redis = ParseAddress(text, kRedisPort);
           // 6379 alone would be an odd way to write an address.
           const bool is_number = text.find_first_not_of("0123456789") == text.npos;
           if (!o->redis.has_value() || is_number) {
             throw CLI::ValidationError(
                 "--redis", "must be HOST or HOST:PORT, such as 127.0.0.1 or 127.0.0.1:6379");
           }
         },
         "serve Redis clients here")
      ->type_name("ADDR");
  app->add_option_function<std::string>(
         "--redis-scripts", [o](const std::string& text) { o->redis_scripts = text == "on"; },
         "run the Lua scripts of Redis clients: on or off (on where --redis is loopback)")
      ->check(CLI::IsMember({"on", "off"}))
      ->type_name("on|off");
  app->add_option("--tls-cert", o->tls.certificate,
                  "serve TLS with this certificate (PEM, a chain)")
      ->type_name("FILE");
  app->add_option("--tls-key", o->tls.key, "its key (PEM, mode 0600)")->type_name("FILE");
  app->add_option("--tls-client-ca", o->tls.client_ca,
                  "take only clients with a certificate that one of these signed")
      ->type_name("FILE");
  app->add_flag("--insecure-plaintext", o->insecure_plaintext,
                "serve other machines without TLS: whoever is on the way reads and changes it all");
  wire::RequestLimits& limits = o->limits;
  AddSize(app, "--head-bytes-max", &limits.head_bytes, 1024, 1 << 20, "of a request's head");
  AddCount(app, "--headers-max", &limits.headers, 8, 1'000, "headers of a request");
  AddSize(app, "--path-bytes-max", &limits.path_bytes, 64, limits.target_bytes, "of its path");
  AddSize(app, "--body-bytes-max", &limits.body_bytes, 1024, kResultMax, "of its body");
  AddCount(app, "--connections-max", &o->connections_max, 1, 1'000'000, "at a time");
  wire::Deadlines& deadlines = o->deadlines;
  const auto add_deadline = [app](const char* name, milliseconds* value, const char* help) {
    AddDuration(app, name, value, 100, 3'600'000, help);
  };
  add_deadline("--handshake-timeout", &deadlines.handshake, "for a TLS handshake");
  add_deadline("--head-timeout", &deadlines.head, "for a request's head");
  add_deadline("--body-timeout", &deadlines.body, "for its body (1 KiB/s at least in any case)");
  add_deadline("--idle-timeout", &deadlines.idle, "between two requests of a connection");
  add_deadline("--write-timeout", &deadlines.write, "for a client to take its answers");
}

// Who is on the way must not read: other machines are served by TLS, or by somebody's word.
void CheckTransport(const ServeOptions& options) {
  const bool tls = !options.tls.certificate.empty();
  if (tls != !options.tls.key.empty()) {
    throw CLI::ValidationError(tls ? "--tls-cert" : "--tls-key",
                               "needs both --tls-cert and --tls-key");
  }
  if (!tls && !options.tls.client_ca.empty()) {
    throw CLI::ValidationError("--tls-client-ca", "needs --tls-cert and --tls-key");
  }
  if (tls && options.insecure_plaintext) {
    throw CLI::ValidationError("--insecure-plaintext", "contradicts --tls-cert");
  }
  const char* beyond = nullptr;
  if (options.gateway.enabled && !IsLoopback(options.gateway.host)) beyond = "--gateway";
  if (options.redis.has_value() && !IsLoopback(options.redis->host)) beyond = "--redis";
  if (!IsLoopback(options.host)) beyond = "--http";
  if (!tls && !options.insecure_plaintext && beyond != nullptr) {
    throw CLI::ValidationError(
        beyond,
        "beyond loopback (127.0.0.0/8, [::1]) this needs --tls-cert and --tls-key, or, where the "
        "network itself is safe, --insecure-plaintext");
  }
}

void AddAccessFlags(CLI::App* app, ServeOptions* o) {
  app->add_option("--tokens", o->tokens,
                  "who may call: a token file (see README, \"Who may call\")")
      ->type_name("FILE")
      ->check([](const std::string& text) { return text.empty() ? "must not be empty" : ""; });
  app->add_flag("--insecure-no-auth", o->insecure_no_auth,
                "let everybody who can reach the port call everything");
}

// Who may call where strangers can.
void CheckAccess(const ServeOptions& options) {
  if (!options.tokens.empty() && options.insecure_no_auth) {
    throw CLI::ValidationError("--insecure-no-auth", "does not go with --tokens: choose one");
  }
  const bool redis_beyond = options.redis.has_value() && !IsLoopback(options.redis->host);
  const bool beyond = redis_beyond || !IsLoopback(options.host);
  if (beyond && options.tokens.empty() && !options.insecure_no_auth) {
    throw CLI::ValidationError(
        IsLoopback(options.host) ? "--redis" : "--http",
        "an address that is not loopback (127.0.0.0/8, [::1]) needs --tokens "
        "FILE, or --insecure-no-auth to let everybody in");
  }
}

// What no single flag can tell: whether they are safe together.
void CheckTogether(const GatewayFlags& flags, const ServeOptions& options) {
  if (options.redis_scripts.has_value() && !options.redis.has_value()) {
    throw CLI::ValidationError("--redis-scripts", "needs --redis");
  }
  CheckAccess(options);
  CheckTransport(options);
  flags.Check(options);
}

void AddNewToken(CLI::App* app, NewTokenOptions* o) {
  app->add_option_function<std::string>(
         "--tenant",
         [o](const std::string& name) {
           const Status checked = CheckPrintable("--tenant", name, 1, Key::kMaxTenantLength);
           if (!checked.ok()) throw CLI::ValidationError(checked.message());
           o->caller.tenant = name;
         },
         "whose keys the token is for")
      ->type_name("NAME")
      ->required();
  AddChoice<Role>(app, "--role", &o->caller.role, {{"app", Role::kApp}, {"admin", Role::kAdmin}},
                  "app", "what it may do: admin also decides, forgets, and names other tenants");
}

}  // namespace

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

const char* DurabilityName(Durability durability) {
  switch (durability) {
    case Durability::kSync:
      return "sync";
    case Durability::kInterval:
      return "interval";
    case Durability::kOs:
      return "os";
  }
  return "";
}

Options ParseCommandLine(int argc, char** argv) {
  CLI::App app("onced makes retried requests safe: claim, complete, replay.", "onced");
  app.set_version_flag("--version", "onced " ONCED_VERSION);
  app.require_subcommand(1);
  ServeOptions serve;
  CLI::App* serve_app =
      app.add_subcommand("serve", "serve the HTTP API, and a gateway, in the foreground");
  AddListenerFlags(serve_app, &serve);
  AddAccessFlags(serve_app, &serve);
  AddStoreFlags(serve_app, &serve);
  GatewayFlags gateway;
  gateway.AddTo(serve_app);
  serve_app->final_callback([&] {
    gateway.Settle(&serve);
    CheckTogether(gateway, serve);
  });
  AcceptClockOptions accept_clock;
  CLI::App* clock_app = app.add_subcommand("clock", "the guarded clock of a stopped data folder");
  clock_app->require_subcommand(1);
  CLI::App* accept_app = clock_app->add_subcommand(
      "accept", "believe the machine's wall clock at the next start, whatever was seen before");
  AddDataFolder(accept_app, &accept_clock.data);
  NewTokenOptions new_token;
  CLI::App* token_app = app.add_subcommand("token", "the tokens that callers show");
  token_app->require_subcommand(1);
  CLI::App* new_app = token_app->add_subcommand(
      "new", "print a new token, and what to add to the token file for it; it is kept nowhere");
  AddNewToken(new_app, &new_token);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return Finished{app.exit(asked)};
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return Finished{kExitUsage};
  }
  if (accept_app->parsed()) return accept_clock;
  if (new_app->parsed()) return new_token;
  return serve;
}

}  // namespace onced

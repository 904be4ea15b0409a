// SPDX-License-Identifier: MIT
#include "server/options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace onced {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  int64_t ms;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

std::optional<milliseconds> ParseDuration(std::string_view text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(parsed.ptr - text.data()));
  for (const Unit& known : kUnits) {
    if (unit == known.name && number <= INT64_MAX / known.ms) {
      return milliseconds(number * known.ms);
    }
  }
  return std::nullopt;
}

std::string DurationText(int64_t ms) {
  const Unit* best = kUnits.data();
  for (const Unit& unit : kUnits) {
    if (ms != 0 && ms % unit.ms == 0) best = &unit;
  }
  return std::to_string(ms / best->ms) + std::string(best->name);
}

// A flag such as `--lease 30s`, within limits that the message names.
void AddDuration(CLI::App* app, const std::string& name, milliseconds* value, int64_t least_ms,
                 int64_t most_ms, const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [=](const std::string& text) {
           const std::optional<milliseconds> parsed = ParseDuration(text);
           if (!parsed.has_value() || parsed->count() < least_ms || parsed->count() > most_ms) {
             throw CLI::ValidationError(name, "must be " + DurationText(least_ms) + ".." +
                                                  DurationText(most_ms) + ", such as 30s");
           }
           *value = *parsed;
         },
         help)
      ->type_name("TIME")
      ->default_str(DurationText(value->count()));
}

void ParseAddress(const std::string& text, ServeOptions* options) {
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  uint16_t number = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) {
    throw CLI::ValidationError("--http", "must be HOST:PORT, such as 127.0.0.1:6623");
  }
  options->host = host;
  options->port = number;
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
  AddChoice<Footprint>(app, "--footprint", &o->footprint,
                       {{"server", Footprint::kServer}, {"edge", Footprint::kEdge}}, "server",
                       "memory to use: edge stays under 256 MiB");
  app->add_flag("--accept-data-loss", o->accept_data_loss,
                "open although synced data is missing; what is missing is lost");
}

void AddListenerFlags(CLI::App* app, ServeOptions* o) {
  app->add_option_function<std::string>(
         "--http", [o](const std::string& text) { ParseAddress(text, o); },
         "where the API listens (port 0: any free one)")
      ->type_name("ADDR")
      ->default_str("127.0.0.1:6623");
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
  if (!IsLoopback(options.host) && options.tokens.empty() && !options.insecure_no_auth) {
    throw CLI::ValidationError(
        "--http",
        "an address that is not loopback (127.0.0.0/8, [::1]) needs --tokens "
        "FILE, or --insecure-no-auth to let everybody in");
  }
}

// What no single flag can tell: whether they are safe together.
void CheckTogether(const ServeOptions& options) {
  CheckAccess(options);
  // There is no transport security yet, so there is no other safe place to listen.
  if (!IsLoopback(options.host)) {
    throw CLI::ValidationError("--http", "only loopback addresses (127.0.0.0/8, [::1]) for now");
  }
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
  CLI::App* serve_app = app.add_subcommand("serve", "serve the HTTP API in the foreground");
  AddListenerFlags(serve_app, &serve);
  AddAccessFlags(serve_app, &serve);
  AddStoreFlags(serve_app, &serve);
  serve_app->final_callback([&serve] { CheckTogether(serve); });
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

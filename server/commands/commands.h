// SPDX-License-Identifier: MIT
// Commands: what the command line asks of a onced that runs (`keys`, `stats`, `healthcheck`,
// `keygen`, `backup`), by its API, of folders that lie still (`verify`, `restore`), and of a
// database (`migrate`).
//
// Threads: called once, on the main thread.
// Invariants: what was asked for goes to stdout, everything else to stderr. Tables are for people;
// --json is the API's own answer.
#pragma once

#include <cstdint>
#include <string>

#include "server/commands/api_client.h"

namespace CLI {
class App;
}

namespace onced {

struct CommandOptions {
  enum class Verb : uint8_t {
    kNone,
    kList,
    kGet,
    kHistory,
    kResolve,
    kForget,
    kStats,
    kHealth,
    kKeygen,
    kBackup,
    kVerify,
    kRestore,
    kMigrate,
  };

  Verb verb = Verb::kNone;
  ServerAddress server;
  bool json = false;
  uint32_t timeout_s = 5;  // of healthcheck

  std::string key;
  std::string scope = "default";
  std::string scope_prefix;
  std::string tenant;
  std::string prefix;
  std::string state;
  uint32_t limit = 100;
  std::string decision;
  std::string result;
  bool force = false;
  std::string data;  // of keygen
  std::string folder;
  std::string into;
  bool accept_forgotten_claims = false;
  std::string store;  // the URL of a database, with a password in it maybe: never printed
};

// Adds the commands; `options` is filled while the command line is parsed.
void AddCommands(CLI::App* app, CommandOptions* options);

// Returns the exit code: 0; 1 when it could not be done, or there is nothing of that kind; 2 when
// it was asked wrongly; 4 when a folder is in use; 65 when a folder is damaged, or tables are of a
// newer version.
int RunCommand(const CommandOptions& options);

}  // namespace onced

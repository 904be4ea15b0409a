// SPDX-License-Identifier: MIT
// Options: what `onced` is asked to do, from its command line, its environment and its
// configuration file: the first goes before the second, that before the third.
//
// Threads: pure, but for the files that are named. Invariants: what is returned is complete and
// within its limits; everything else ended in a message and an exit code.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/limits.h"
#include "engine/rocks_store.h"
#include "server/access/caller.h"
#include "server/commands/commands.h"
#include "server/config/address.h"
#include "server/gateway/route.h"
#include "server/operations/access_log.h"
#include "server/wire/listener.h"

namespace onced {

// Also what systemd units and scripts key on; see README.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitCutOff = 3,        // a stop that did not wait for all that ran: time was up, or asked twice
  kExitInUse = 4,         // port or data folder
  kExitDataMissing = 65,  // synced data is missing, or of a newer format
  kExitNoResources = 71,  // out of memory, or of threads
  kExitLogFailed = 74,    // the log could not be written or synced
};

struct ServeOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 6623;
  std::string tokens;             // the token file; empty: none
  bool insecure_no_auth = false;  // let everybody in, also where strangers can reach it
  wire::TlsFiles tls;             // certificate and key: both or neither
  bool insecure_plaintext = false;
  wire::RequestLimits limits;
  wire::Deadlines deadlines;
  size_t connections_max = wire::ListenerOptions().connections_max;
  std::string store;  // the URL of a database; empty: a data folder. It may have a password in it
  size_t store_connections = 8;
  std::string data = "onced-data";
  Durability durability = Durability::kSync;
  std::chrono::milliseconds sync_interval{100};
  std::chrono::milliseconds lease{kLeaseDefaultMs};
  std::chrono::milliseconds retention{kRetentionDefaultMs};
  std::chrono::milliseconds audit_retention{kRetentionDefaultMs};
  std::chrono::milliseconds unknown_retention{0};
  bool audit = true;
  WaiterLimits waiters;
  GatewayOptions gateway;
  std::optional<Address> redis;       // absent: not served
  std::optional<bool> redis_scripts;  // absent: on loopback only
  Footprint footprint = Footprint::kServer;
  bool accept_data_loss = false;
  std::chrono::milliseconds drain_delay{0};
  std::chrono::milliseconds drain_timeout{25'000};
  LogFormat log_format = LogFormat::kAuto;
  LogLevel log_level = LogLevel::kInfo;
  AccessTerms access;
  std::string config;  // the file that some of it was read from; empty: none
  // Every option and its value, as text; of secrets, too.
  std::vector<std::pair<std::string, std::string>> written;
  std::map<std::string, std::string, std::less<>> places;  // by option: where it was said
  std::vector<std::string> warnings;                       // of what was said, and means nothing
};

// `onced check`: whether `serve` would start.
struct CheckOptions {
  ServeOptions serve;
};

struct AcceptClockOptions {
  std::string data = "onced-data";
};

struct NewTokenOptions {
  Caller caller;
};

// Nothing more to do: exit with this (the text has been printed).
struct Finished {
  int exit_code;
};

using Options = std::variant<ServeOptions, CheckOptions, CommandOptions, AcceptClockOptions,
                             NewTokenOptions, Finished>;
// Hears what is wrong, or odd, of what was asked.
using Tell = std::function<void(const std::string&)>;
void TellOnStderr(const std::string& line);
// `environment`: see environ(7).
Options ParseCommandLine(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment,
                         const Tell& tell = TellOnStderr);

// A fault that begins with a flag ("--tls-cert FILE: ..."), as who wrote the option knows it: by
// the place in the file, or the variable.
std::string AsWritten(const ServeOptions& options, const std::string& fault);

// Whether `host`, an address in numbers, can be reached from this machine only.
bool IsLoopback(const std::string& host);
const char* DurabilityName(Durability durability);

}  // namespace onced

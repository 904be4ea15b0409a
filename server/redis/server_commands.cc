// SPDX-License-Identifier: MIT
// The commands on the server itself: how it is, what it is set to, and what it has.
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/client_commands.h"
#include "server/redis/command_commands.h"
#include "server/redis/glob.h"
#include "server/redis/info.h"
#include "server/redis/interpreter.h"
#include "server/redis/resp_parser.h"
#include "server/wire/wall_time.h"

namespace onced::redis {
namespace {

struct Parameter {
  std::string_view name;
  std::string value;
};

// The one parameter that can be changed, each tenant's for itself, by its new name and its old one.
constexpr std::string_view kBusyAfter = "busy-reply-threshold";
constexpr std::string_view kBusyAfterOnce = "lua-time-limit";

// What clients and benchmarks ask for, told as it is.
std::vector<Parameter> Parameters(Call& call) {
  const InterpreterOptions& options = call.redis.options();
  const bool syncs = options.durability == "sync";
  return {
      {"appendfsync", syncs                              ? "always"
                      : options.durability == "interval" ? "everysec"
                                                         : "no"},
      {"appendonly", "yes"},
      {kBusyAfter, std::to_string(call.redis.scripts().BusyAfter(call.session.tenant).count())},
      {"databases", std::to_string(kDatabases)},
      {kBusyAfterOnce, std::to_string(call.redis.scripts().BusyAfter(call.session.tenant).count())},
      {"maxclients", std::to_string(options.connections_max)},
      {"maxmemory", "0"},
      {"maxmemory-clients", std::to_string(options.memory_max)},
      {"maxmemory-policy", "noeviction"},
      {"notify-keyspace-events", ""},
      {"port", std::to_string(options.port)},
      {"proto-max-bulk-len", std::to_string(options.bulk_max)},
      {"replica-read-only", "yes"},
      {"save", ""},
      {"slave-read-only", "yes"},
      {"timeout", "0"}};
}

void RunConfigGet(Call& call) {
  std::vector<Parameter> shown;
  for (Parameter& parameter : Parameters(call)) {
    for (const std::string_view pattern : call.arguments.subspan(2)) {
      if (!GlobMatches(pattern, parameter.name, /*ignore_case=*/true)) continue;
      shown.push_back(std::move(parameter));
      break;
    }
  }
  call.reply.Map(shown.size());
  for (const Parameter& parameter : shown) {
    call.reply.Bulk(parameter.name);
    call.reply.Bulk(parameter.value);
  }
}

// False: answered.
bool SetBusyAfter(Call& call, std::string_view name, std::string_view text) {
  int64_t after_ms = 0;
  if (!ReadInteger(text, &after_ms) || after_ms < 0 || after_ms > INT32_MAX) {
    call.reply.Error("ERR CONFIG SET failed (possibly related to argument '" + std::string(name) +
                     "') - argument must be between 0 and 2147483647 inclusive");
    return false;
  }
  call.redis.scripts().SetBusyAfter(call.session.tenant, std::chrono::milliseconds(after_ms));
  return true;
}

// What a parameter is already it may be set to; onced is configured by its flags.
void RunConfigSet(Call& call) {
  if (call.size() % 2 != 0) {
    return call.reply.Error("ERR wrong number of arguments for 'config|set' command");
  }
  const std::vector<Parameter> parameters = Parameters(call);
  for (size_t i = 2; i < call.size(); i += 2) {
    const auto found =
        std::find_if(parameters.begin(), parameters.end(),
                     [&](const Parameter& parameter) { return Is(call[i], parameter.name); });
    if (found == parameters.end()) {
      return call.reply.Error("ERR Unknown option or number of arguments for CONFIG SET - '" +
                              std::string(call[i]) + "'");
    }
    if (call[i + 1] == found->value) continue;
    if (found->name == kBusyAfter || found->name == kBusyAfterOnce) {
      if (!SetBusyAfter(call, call[i], call[i + 1])) return;
      continue;
    }
    return call.reply.Error("ERR CONFIG SET failed (possibly related to argument '" +
                            std::string(call[i]) + "') - can't set immutable config");
  }
  call.reply.Ok();
}

void RunConfigResetStat(Call& call) {
  call.redis.ResetStatistics();
  call.reply.Ok();
}

void RunConfigRewrite(Call& call) {
  call.reply.Error("ERR The server is running without a config file");
}

void RunConfigHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "GET <pattern>",
      "SET <directive> <value>",
      "RESETSTAT",
      "REWRITE",
      "HELP"};
  call.reply.Array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.Status(line);
}

void RunDbSize(Call& call) { call.reply.Integer(static_cast<int64_t>(call.data.Count(call.db()))); }

// [ASYNC|SYNC]; false: answered. Both are the same here: a flush takes no time.
bool ExpectFlushMode(Call& call) {
  if (call.size() == 1 || (call.size() == 2 && (Is(call[1], "async") || Is(call[1], "sync")))) {
    return true;
  }
  call.reply.Error(kSyntax);
  return false;
}

void RunFlushDb(Call& call) {
  if (!ExpectFlushMode(call)) return;
  call.data.Flush(call.db());
  call.reply.Ok();
}

// All databases of the tenant.
void RunFlushAll(Call& call) {
  if (!ExpectFlushMode(call)) return;
  for (int number = 0; number < kDatabases; ++number) {
    call.data.Flush(call.data.Select(call.session.tenant, number));
  }
  call.reply.Ok();
}

void RunTime(Call& call) {
  const int64_t now = wire::UnixUs();
  call.reply.Array(2);
  call.reply.Bulk(std::to_string(now / 1'000'000));
  call.reply.Bulk(std::to_string(now % 1'000'000));
}

// There are no replicas: none has acknowledged anything.
void RunWait(Call& call) {
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!ExpectInteger(call, call[1], &replicas)) return;
  if (!ReadInteger(call[2], &timeout_ms)) {
    return call.reply.Error("ERR timeout is not an integer or out of range");
  }
  if (timeout_ms < 0) return call.reply.Error("ERR timeout is negative");
  call.reply.Integer(0);
}

// Whether what was written before it is synced when its answer arrives: with `sync` nothing is
// answered before that, and with the others nobody can say.
void RunWaitAof(Call& call) {
  int64_t local = 0;
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!ReadInteger(call[1], &local) || local < 0 || local > 1) {
    return call.reply.Error("ERR value is out of range, must be between 0 and 1");
  }
  if (!ReadInteger(call[2], &replicas) || replicas < 0) {
    return call.reply.Error("ERR value is out of range, must be positive");
  }
  if (!ReadInteger(call[3], &timeout_ms)) {
    return call.reply.Error("ERR timeout is not an integer or out of range");
  }
  if (timeout_ms < 0) return call.reply.Error("ERR timeout is negative");
  call.reply.Array(2);
  call.reply.Integer(call.redis.options().durability == "sync" ? 1 : 0);
  call.reply.Integer(0);
}

void RunRole(Call& call) {
  call.reply.Array(3);
  call.reply.Bulk("master");
  call.reply.Integer(0);
  call.reply.Array(0);
}

void RunInfo(Call& call) {
  call.reply.Verbatim(InfoText(call.redis, call.session, call.arguments.subspan(1)));
}

void RunMemoryUsage(Call& call) {
  if (call.size() > 3) {
    int64_t samples = 0;
    if (call.size() != 5 || !Is(call[3], "samples")) return call.reply.Error(kSyntax);
    if (!ExpectInteger(call, call[4], &samples)) return;
    if (samples < 0) return call.reply.Error(kSyntax);
  }
  const Entry* const entry = call.data.Load(call.db(), call[2]);
  if (entry == nullptr) return call.reply.Null();
  constexpr size_t kRecordOverhead = 32;
  call.reply.Integer(static_cast<int64_t>(call[2].size() + entry->bytes.size() + kRecordOverhead));
}

void RunLolwut(Call& call) {
  call.reply.Verbatim("onced ver. " + call.redis.options().version + ", once is enough\n");
}

void RunFunctionFlush(Call& call) {
  if (call.size() > 3 || (call.size() == 3 && !Is(call[2], "sync") && !Is(call[2], "async"))) {
    return call.reply.Error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  call.reply.Ok();
}

void RunFunctionList(Call& call) { call.reply.Array(0); }

void RunFunctionStats(Call& call) {
  call.reply.Map(2);
  call.reply.Bulk("running_script");
  call.reply.Null();
  call.reply.Bulk("engines");
  call.reply.Map(1);
  call.reply.Bulk("LUA");
  call.reply.Map(2);
  call.reply.Bulk("libraries_count");
  call.reply.Integer(0);
  call.reply.Bulk("functions_count");
  call.reply.Integer(0);
}

void RunCluster(Call& call) { call.reply.Error("ERR This instance has cluster support disabled"); }

constexpr auto kPlain = kNoScript | kLoading | kStale;

constexpr Command kConfig[] = {
    {"get",
     -3,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunConfigGet,
     "server",
     "2.0.0",
     "What parameters are set to",
     {},
     "config"},
    {"help",
     2,
     kLoading | kStale,
     0,
     0,
     0,
     RunConfigHelp,
     "server",
     "5.0.0",
     "The subcommands of CONFIG",
     {},
     "config"},
    {"resetstat",
     2,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunConfigResetStat,
     "server",
     "2.0.0",
     "Begins to count anew",
     {},
     "config"},
    {"rewrite",
     2,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunConfigRewrite,
     "server",
     "2.8.0",
     "An error: there is no file",
     {},
     "config"},
    {"set",
     -4,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunConfigSet,
     "server",
     "2.0.0",
     "Refused, unless it changes nothing: onced has flags",
     {},
     "config"},
};

constexpr Command kMemory[] = {
    {"usage",
     -3,
     kReadOnly,
     2,
     2,
     1,
     RunMemoryUsage,
     "server",
     "4.0.0",
     "The bytes that a key takes up, about",
     {},
     "memory"},
};

constexpr Command kFunction[] = {
    {"flush",
     -2,
     kWrite | kNoScript,
     0,
     0,
     0,
     RunFunctionFlush,
     "scripting",
     "7.0.0",
     "OK: there are no functions",
     {},
     "function"},
    {"list",
     -2,
     kNoScript,
     0,
     0,
     0,
     RunFunctionList,
     "scripting",
     "7.0.0",
     "None: there are no functions",
     {},
     "function"},
    {"stats",
     2,
     kNoScript | kAllowBusy,
     0,
     0,
     0,
     RunFunctionStats,
     "scripting",
     "7.0.0",
     "That there are no functions",
     {},
     "function"},
};

const Command kCommands[] = {
    {"cluster", -2, kLoading | kStale, 0, 0, 0, RunCluster, "cluster", "3.0.0",
     "An error: there is no cluster"},
    {"command", -1, kLoading | kStale, 0, 0, 0, RunCommandAll, "server", "2.8.13",
     "The commands there are", CommandSubcommands()},
    {"config", -2, 0, 0, 0, 0, nullptr, "server", "2.0.0", "What the server is set to", kConfig},
    {"dbsize", 1, kReadOnly | kFast, 0, 0, 0, RunDbSize, "server", "1.0.0",
     "How many keys the database has: counted up to 10,000, estimated above"},
    {"flushall", -1, kWrite, 0, 0, 0, RunFlushAll, "server", "1.0.0",
     "Empties all databases of the tenant"},
    {"flushdb", -1, kWrite, 0, 0, 0, RunFlushDb, "server", "1.0.0", "Empties the database"},
    {"function", -2, 0, 0, 0, 0, nullptr, "scripting", "7.0.0", "That there are no functions",
     kFunction},
    {"info", -1, kLoading | kStale, 0, 0, 0, RunInfo, "server", "1.0.0", "How the server is"},
    {"lolwut", -1, kReadOnly | kFast, 0, 0, 0, RunLolwut, "server", "5.0.0", "The version"},
    {"memory", -2, 0, 0, 0, 0, nullptr, "server", "4.0.0", "What keys take up", kMemory},
    {"role", 1, kPlain | kFast, 0, 0, 0, RunRole, "server", "2.8.12",
     "That it is a master without replicas"},
    {"time", 1, kLoading | kStale | kFast, 0, 0, 0, RunTime, "server", "2.6.0",
     "The time of the machine"},
    {"wait", 3, kNoScript, 0, 0, 0, RunWait, "generic", "3.0.0", "0: there are no replicas"},
    {"waitaof", 4, kNoScript, 0, 0, 0, RunWaitAof, "generic", "7.2.0",
     "1 where every answer waits for the sync, and 0 replicas"},
};

}  // namespace

std::span<const Command> ServerCommands() { return kCommands; }

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// The commands that run scripts and keep them.
#include <algorithm>
#include <string>

#include "server/redis/argument.h"
#include "server/redis/interpreter.h"
#include "server/redis/scripts.h"

namespace onced::redis {
namespace {

constexpr std::string_view kNoSuchScript = "NOSCRIPT No matching script. Please use EVAL.";
constexpr size_t kShaSize = 40;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), LowerOf);
  return lower;
}

// False: answered.
bool ExpectAllowed(Call& call) {
  if (call.redis.scripts().allowed()) return true;
  call.reply.Error(
      "ERR scripts are off here, as they are beyond loopback: start onced with --redis-scripts on");
  return false;
}

enum class Named : uint8_t { kByText, kBySha };

void Run(Call& call, Named named, bool read_only) {
  if (!ExpectAllowed(call)) return;
  if (named == Named::kBySha && call[1].size() != kShaSize) return call.reply.Error(kNoSuchScript);
  int64_t keys = 0;
  if (!ExpectInteger(call, call[2], &keys)) return;
  if (keys > static_cast<int64_t>(call.size() - 3)) {
    return call.reply.Error("ERR Number of keys can't be greater than number of args");
  }
  if (keys < 0) return call.reply.Error("ERR Number of keys can't be negative");
  Scripts& scripts = call.redis.scripts();
  std::string sha;
  if (named == Named::kByText) {
    std::string error;
    sha = scripts.Load(call.session.tenant, call[1], &error);
    if (sha.empty()) return call.reply.Error("ERR " + error);
  } else {
    sha = Lower(call[1]);
    if (!scripts.Has(call.session.tenant, sha)) return call.reply.Error(kNoSuchScript);
  }
  const auto count = static_cast<size_t>(keys);
  scripts.Run(call, sha, call.arguments.subspan(3, count), call.arguments.subspan(3 + count),
              read_only);
}

void RunEval(Call& call) { Run(call, Named::kByText, /*read_only=*/false); }
void RunEvalRo(Call& call) { Run(call, Named::kByText, /*read_only=*/true); }
void RunEvalSha(Call& call) { Run(call, Named::kBySha, /*read_only=*/false); }
void RunEvalShaRo(Call& call) { Run(call, Named::kBySha, /*read_only=*/true); }

void RunLoad(Call& call) {
  if (!ExpectAllowed(call)) return;
  std::string error;
  const std::string sha = call.redis.scripts().Load(call.session.tenant, call[2], &error);
  sha.empty() ? call.reply.Error("ERR " + error) : call.reply.Bulk(sha);
}

void RunExists(Call& call) {
  call.reply.Array(call.size() - 2);
  for (const std::string_view sha : call.arguments.subspan(2)) {
    call.reply.Integer(call.redis.scripts().Has(call.session.tenant, Lower(sha)) ? 1 : 0);
  }
}

void RunFlush(Call& call) {
  if (call.size() > 3 || (call.size() == 3 && !Is(call[2], "sync") && !Is(call[2], "async"))) {
    return call.reply.Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  call.redis.scripts().Flush(call.session.tenant);
  call.reply.Ok();
}

void RunKill(Call& call) {
  switch (call.redis.scripts().KillOf(call.session.tenant)) {
    case Scripts::Kill::kDone:
      return call.reply.Ok();
    case Scripts::Kill::kNoneRuns:
      return call.reply.Error("NOTBUSY No scripts in execution right now.");
    case Scripts::Kill::kOfAnother:
      return call.reply.Error("BUSY the script that runs is another tenant's");
  }
}

// There is no debugger; asking for none is granted.
void RunDebug(Call& call) {
  if (Is(call[2], "no")) return call.reply.Ok();
  if (Is(call[2], "yes") || Is(call[2], "sync")) {
    return call.reply.Error("ERR onced has no debugger for scripts");
  }
  call.reply.Error("ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void RunHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "DEBUG (YES|SYNC|NO)",
      "    Only NO is granted.",
      "EXISTS <sha1> [<sha1> ...]",
      "    Return information about the existence of the scripts in the script cache.",
      "FLUSH [ASYNC|SYNC]",
      "    Flush the Lua scripts cache.",
      "KILL",
      "    Kill the currently executing Lua script; what it has written is undone.",
      "LOAD <script>",
      "    Load a script into the scripts cache without executing it.",
      "HELP",
      "    Prints this help."};
  call.reply.Array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.Status(line);
}

constexpr Command kScript[] = {
    {"debug",
     3,
     kNoScript,
     0,
     0,
     0,
     RunDebug,
     "scripting",
     "3.2.0",
     "Only NO: there is none",
     {},
     "script"},
    {"exists",
     -3,
     kNoScript,
     0,
     0,
     0,
     RunExists,
     "scripting",
     "2.6.0",
     "Which scripts are kept, by their SHA-1",
     {},
     "script"},
    {"flush",
     -2,
     kNoScript,
     0,
     0,
     0,
     RunFlush,
     "scripting",
     "2.6.0",
     "Forgets all scripts",
     {},
     "script"},
    {"help",
     2,
     kLoading | kStale,
     0,
     0,
     0,
     RunHelp,
     "scripting",
     "5.0.0",
     "Tells the subcommands",
     {},
     "script"},
    {"kill",
     2,
     kNoScript | kAllowBusy,
     0,
     0,
     0,
     RunKill,
     "scripting",
     "2.6.0",
     "Ends the script that runs; what it has changed is undone",
     {},
     "script"},
    {"load",
     3,
     kNoScript | kStale,
     0,
     0,
     0,
     RunLoad,
     "scripting",
     "2.6.0",
     "Keeps a script, and tells its SHA-1",
     {},
     "script"},
};

constexpr auto kRuns = kNoScript | kStale | kMovableKeys;

constexpr Command kCommands[] = {
    {"eval", -3, kRuns, 2, 0, 1, RunEval, "scripting", "2.6.0", "Runs a Lua script"},
    {"eval_ro", -3, kRuns | kReadOnly, 2, 0, 1, RunEvalRo, "scripting", "7.0.0",
     "Runs a Lua script that may not write"},
    {"evalsha", -3, kRuns, 2, 0, 1, RunEvalSha, "scripting", "2.6.0",
     "Runs a script that is kept, by its SHA-1"},
    {"evalsha_ro", -3, kRuns | kReadOnly, 2, 0, 1, RunEvalShaRo, "scripting", "7.0.0",
     "Runs a script that is kept and may not write, by its SHA-1"},
    {"script", -2, 0, 0, 0, 0, nullptr, "scripting", "2.6.0", "Keeps and forgets scripts", kScript},
};

}  // namespace

std::span<const Command> ScriptCommands() { return kCommands; }

}  // namespace onced::redis

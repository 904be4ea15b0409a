// SPDX-License-Identifier: MIT
#include "server/redis/command_commands.h"

#include <algorithm>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/glob.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

struct FlagWord {
  uint32_t flag;
  std::string_view word;
};
constexpr FlagWord kFlagWords[] = {
    {kWrite, "write"},     {kReadOnly, "readonly"},    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},     {kPubSub, "pubsub"},        {kNoScript, "noscript"},
    {kLoading, "loading"}, {kStale, "stale"},          {kFast, "fast"},
    {kNoAuth, "no_auth"},  {kAllowBusy, "allow_busy"}, {kMovableKeys, "movablekeys"}};

// Redis' categories, as far as they follow from the flags and the group.
std::vector<std::string> CategoriesOf(const Command& command) {
  std::vector<std::string> categories;
  if (command.flags & kWrite) categories.emplace_back("@write");
  if (command.flags & kReadOnly) categories.emplace_back("@read");
  if (command.group == "generic") categories.emplace_back("@keyspace");
  for (const std::string_view group : {"string", "hash", "set", "list", "connection"}) {
    if (command.group == group) categories.push_back("@" + std::string(group));
  }
  if (command.group == "sorted-set") categories.emplace_back("@sortedset");
  if (command.group == "transactions") categories.emplace_back("@transaction");
  if (command.flags & kPubSub) categories.emplace_back("@pubsub");
  if (command.group == "scripting") categories.emplace_back("@scripting");
  if (command.flags & kAdmin) {
    categories.emplace_back("@admin");
    categories.emplace_back("@dangerous");
  }
  categories.emplace_back(command.flags & kFast ? "@fast" : "@slow");
  return categories;
}

void TellWords(Call& call, const std::vector<std::string>& words) {
  call.reply.Set(words.size());
  for (const std::string& word : words) call.reply.Status(word);
}

void Tell(Call& call, const Command& command) {
  call.reply.Array(10);
  call.reply.Bulk(command.FullName());
  call.reply.Integer(command.arity);
  std::vector<std::string> flags;
  for (const FlagWord& one : kFlagWords) {
    if (command.flags & one.flag) flags.emplace_back(one.word);
  }
  TellWords(call, flags);
  const bool movable = (command.flags & kMovableKeys) != 0;
  call.reply.Integer(movable ? 0 : command.first_key);
  call.reply.Integer(movable ? 0 : command.last_key);
  call.reply.Integer(movable ? 0 : command.key_step);
  TellWords(call, CategoriesOf(command));
  call.reply.Set(0);  // tips
  call.reply.Set(0);  // key specifications
  call.reply.Set(command.subcommands.size());
  for (const Command& one : command.subcommands) Tell(call, one);
}

// NAME, or CONTAINER|NAME.
const Command* Named(std::string_view name) {
  const size_t bar = name.find('|');
  const Command* const command = FindCommand(name.substr(0, bar));
  if (command == nullptr || bar == name.npos) return command;
  return FindSubcommand(*command, name.substr(bar + 1));
}

void RunCount(Call& call) { call.reply.Integer(static_cast<int64_t>(AllCommands().size())); }

void RunInfo(Call& call) {
  if (call.size() == 2) return RunCommandAll(call);
  call.reply.Array(call.size() - 2);
  for (const std::string_view name : call.arguments.subspan(2)) {
    if (call.reply.IsFull()) return;
    const Command* const command = Named(name);
    command == nullptr ? call.reply.Null() : Tell(call, *command);
  }
}

void TellDocs(Call& call, const Command& command) {
  call.reply.Bulk(command.FullName());
  call.reply.Map(command.subcommands.empty() ? 3 : 4);
  call.reply.Bulk("summary");
  call.reply.Bulk(command.summary);
  call.reply.Bulk("since");
  call.reply.Bulk(command.since);
  call.reply.Bulk("group");
  call.reply.Bulk(command.group);
  if (command.subcommands.empty()) return;
  call.reply.Bulk("subcommands");
  call.reply.Map(command.subcommands.size());
  for (const Command& one : command.subcommands) TellDocs(call, one);
}

void RunDocs(Call& call) {
  std::vector<const Command*> shown;
  if (call.size() == 2) shown = AllCommands();
  for (const std::string_view name : call.arguments.subspan(2)) {
    const Command* const command = Named(name);
    if (command != nullptr) shown.push_back(command);
  }
  call.reply.Map(shown.size());
  for (const Command* command : shown) {
    if (call.reply.IsFull()) return;
    TellDocs(call, *command);
  }
}

// COMMAND LIST [FILTERBY MODULE m|ACLCAT c|PATTERN p]
void RunList(Call& call) {
  std::vector<std::string> names;
  const bool filtered = call.size() == 5 && Is(call[2], "filterby");
  if (call.size() != 2 && !filtered) return call.reply.Error(kSyntax);
  const bool known =
      !filtered || Is(call[3], "module") || Is(call[3], "aclcat") || Is(call[3], "pattern");
  if (!known) return call.reply.Error(kSyntax);
  for (const Command* command : AllCommands()) {
    bool shown = !filtered;
    if (filtered && Is(call[3], "pattern")) shown = GlobMatches(call[4], command->name, true);
    if (filtered && Is(call[3], "aclcat")) {
      const std::vector<std::string> categories = CategoriesOf(*command);
      shown = std::find(categories.begin(), categories.end(), "@" + std::string(call[4])) !=
              categories.end();
    }
    if (shown) names.emplace_back(command->name);
  }
  call.reply.Array(names.size());
  for (const std::string& name : names) call.reply.Bulk(name);
}

void RunGetKeys(Call& call) {
  const Arguments asked = call.arguments.subspan(2);
  const Command* command = FindCommand(asked[0]);
  if (command != nullptr && !command->subcommands.empty() && asked.size() > 1) {
    const Command* const within = FindSubcommand(*command, asked[1]);
    if (within != nullptr) command = within;
  }
  if (command == nullptr) return call.reply.Error("ERR Invalid command specified");
  if (command->first_key == 0) {
    return call.reply.Error("ERR The command has no key arguments");
  }
  if (!command->Takes(asked.size())) {
    return call.reply.Error("ERR Invalid number of arguments specified for command");
  }
  std::vector<size_t> keys;
  if (!KeysOf(*command, asked, &keys) || keys.empty()) {
    return call.reply.Error("ERR Invalid arguments specified for command");
  }
  call.reply.Array(keys.size());
  for (const size_t at : keys) call.reply.Bulk(asked[at]);
}

void RunHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "(no subcommand)",
      "COUNT",
      "LIST",
      "INFO [<command-name> ...]",
      "DOCS [<command-name> ...]",
      "GETKEYS <full-command>",
      "HELP"};
  call.reply.Array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.Status(line);
}

constexpr auto kPlain = kLoading | kStale;

constexpr Command kSubcommands[] = {
    {"count",
     2,
     kPlain,
     0,
     0,
     0,
     RunCount,
     "server",
     "2.8.13",
     "How many commands there are",
     {},
     "command"},
    {"docs",
     -2,
     kPlain | kTells,
     0,
     0,
     0,
     RunDocs,
     "server",
     "7.0.0",
     "What commands do",
     {},
     "command"},
    {"getkeys",
     -4,
     kPlain,
     0,
     0,
     0,
     RunGetKeys,
     "server",
     "2.8.13",
     "The keys of a command",
     {},
     "command"},
    {"help",
     2,
     kPlain,
     0,
     0,
     0,
     RunHelp,
     "server",
     "5.0.0",
     "The subcommands of COMMAND",
     {},
     "command"},
    {"info",
     -2,
     kPlain | kTells,
     0,
     0,
     0,
     RunInfo,
     "server",
     "2.8.13",
     "How commands are called",
     {},
     "command"},
    {"list",
     -2,
     kPlain,
     0,
     0,
     0,
     RunList,
     "server",
     "7.0.0",
     "The names of commands",
     {},
     "command"},
};

}  // namespace

void RunCommandAll(Call& call) {
  call.reply.Array(AllCommands().size());
  for (const Command* command : AllCommands()) Tell(call, *command);
}

std::span<const Command> CommandSubcommands() { return kSubcommands; }

}  // namespace onced::redis

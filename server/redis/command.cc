// SPDX-License-Identifier: MIT
#include "server/redis/command.h"

#include <algorithm>
#include <unordered_map>

#include "server/redis/argument.h"

namespace onced::redis {

const std::vector<const Command*>& AllCommands() {
  static const std::vector<const Command*> all = [] {
    std::vector<const Command*> rows;
    for (const std::span<const Command> group :
         {ConnectionCommands(), ServerCommands(), KeyCommands(), StringCommands(), HashCommands(),
          SetCommands(), SortedSetCommands(), ListCommands(), TransactionCommands(),
          ScriptCommands(), ChannelCommands(), LedgerCommands()}) {
      for (const Command& command : group) rows.push_back(&command);
    }
    return rows;
  }();
  return all;
}

const Command* FindCommand(std::string_view name) {
  static const auto* const by_name = [] {
    auto* const map = new std::unordered_map<std::string_view, const Command*>();
    for (const Command* command : AllCommands()) map->emplace(command->name, command);
    return map;
  }();
  constexpr size_t kLongest = 32;
  if (name.size() > kLongest) return nullptr;
  char lower[kLongest];
  std::transform(name.begin(), name.end(), lower, LowerOf);
  const auto found = by_name->find(std::string_view(lower, name.size()));
  return found == by_name->end() ? nullptr : found->second;
}

const Command* FindSubcommand(const Command& container, std::string_view name) {
  for (const Command& command : container.subcommands) {
    if (Is(name, command.name)) return &command;
  }
  return nullptr;
}

bool KeysOf(const Command& command, Arguments arguments, std::vector<size_t>* keys) {
  keys->clear();
  if (command.flags & kMovableKeys) {
    // NAME [...] numkeys key [...]: the number stands where the first key would.
    const auto at = static_cast<size_t>(command.first_key);
    int64_t count = 0;
    if (at >= arguments.size() || !ReadInteger(arguments[at], &count) || count < 0) return false;
    const auto step = static_cast<size_t>(command.key_step);
    if (static_cast<uint64_t>(count) * step > arguments.size() - at - 1) return false;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) keys->push_back(at + 1 + i * step);
    return true;
  }
  if (command.first_key == 0) return true;
  const auto size = static_cast<int>(arguments.size());
  const int last = command.last_key < 0 ? size + command.last_key : command.last_key;
  for (int at = command.first_key; at <= last; at += command.key_step) {
    if (at >= size) return false;
    keys->push_back(static_cast<size_t>(at));
  }
  return true;
}

}  // namespace onced::redis

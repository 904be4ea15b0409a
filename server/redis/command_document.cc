// SPDX-License-Identifier: MIT
#include "server/redis/command_document.h"

#include <string_view>

#include "server/redis/command.h"

namespace onced::redis {
namespace {

std::string Upper(std::string_view text) {
  std::string upper;
  for (const char c : text) {
    upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c == '|' ? ' ' : c;
  }
  return upper;
}

void AddRow(const Command& command, std::string* text) {
  const int arguments = command.arity < 0 ? -command.arity : command.arity;
  text->append("| `" + Upper(command.FullName()) + "` | " + std::to_string(arguments - 1) +
               (command.arity < 0 ? " or more" : "") + " | " + std::string(command.summary) +
               " |\n");
  for (const Command& one : command.subcommands) AddRow(one, text);
}

}  // namespace

std::string CommandDocument() {
  std::string text =
      "# Commands of the Redis door\n\n"
      "Made from the table of commands; `tests/commands_document_test.cc` says how. What is not "
      "here "
      "is\nanswered as Redis answers a command that it does not know, counted in `INFO stats` "
      "(`unknown_commands`)\nand told once on stderr.\n";
  std::string_view group;
  for (const Command* command : AllCommands()) {
    if (command->group != group) {
      group = command->group;
      text += "\n## " + std::string(group) +
              "\n\n| command | arguments | what it does |\n|---|---|---|\n";
    }
    AddRow(*command, &text);
  }
  return text;
}

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// Command: one row of the table that everything about a command is read from: who may call it and
// how, where its keys are, and what runs it. Dispatch, COMMAND, COMMANDS.md and the tests use the
// same rows.
//
// Threads: the table is immutable.
// Invariants: names are lower case; a container (CLIENT, CONFIG, ...) runs only its subcommands, or
// itself where none is named and `run` is set.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/redis/database.h"
#include "server/redis/reply.h"
#include "server/redis/session.h"

namespace onced::redis {

class Interpreter;
struct Command;

using Arguments = std::span<const std::string_view>;  // with the command's name; never empty

// One command being run.
struct Call {
  Interpreter& redis;
  Session& session;
  Databases& data;
  const Command& command;
  Arguments arguments;
  Reply reply;

  std::string_view operator[](size_t i) const { return arguments[i]; }
  size_t size() const { return arguments.size(); }
  Selected db() const { return session.db; }
  int64_t now_ms() const { return data.now_ms(); }
};

enum CommandFlag : uint32_t {
  kWrite = 1U << 0,
  kReadOnly = 1U << 1,
  kDenyOom = 1U << 2,
  kAdmin = 1U << 3,
  kFast = 1U << 4,
  kNoScript = 1U << 5,
  kLoading = 1U << 6,
  kStale = 1U << 7,
  kNoAuth = 1U << 8,  // also for who has not said who it is
  kNoMulti = 1U << 9,
  kMovableKeys = 1U << 10,  // the positions are not all of its keys: see KeysOf
  kAllowBusy = 1U << 11,
  kPubSub = 1U << 12,
  kLedger = 1U << 13,  // runs as the first of its turn: see ledger_commands.h
  kTells = 1U << 14,   // about others, and changes nothing: its answer has a bound, as a read's
};

struct Command {
  std::string_view name;
  int arity = 1;  // with the name; -n: n at least
  uint32_t flags = 0;
  int first_key = 0;  // of its arguments; 0: none
  int last_key = 0;   // negative: from the end
  int key_step = 0;
  void (*run)(Call&) = nullptr;
  std::string_view group;
  std::string_view since;
  std::string_view summary;
  std::span<const Command> subcommands = {};
  std::string_view container = {};  // of a subcommand: whose

  // Whether it may be called with so many arguments, its name among them.
  bool Takes(size_t arguments) const {
    const auto count = static_cast<int>(arguments);
    return arity >= 0 ? count == arity : count >= -arity;
  }
  std::string FullName() const {
    return container.empty() ? std::string(name) : std::string(container) + "|" + std::string(name);
  }
};

// Rows by group, in the order of the documents.
std::span<const Command> ConnectionCommands();
std::span<const Command> ServerCommands();
std::span<const Command> KeyCommands();
std::span<const Command> StringCommands();
std::span<const Command> HashCommands();
std::span<const Command> SetCommands();
std::span<const Command> SortedSetCommands();
std::span<const Command> ListCommands();
std::span<const Command> TransactionCommands();
std::span<const Command> ScriptCommands();
std::span<const Command> ChannelCommands();
std::span<const Command> LedgerCommands();

// All rows that are not subcommands.
const std::vector<const Command*>& AllCommands();
// Whatever the case; nullptr: there is none.
const Command* FindCommand(std::string_view name);
const Command* FindSubcommand(const Command& container, std::string_view name);

// Where the keys are among `arguments`, as the table's positions say; false: they do not fit.
bool KeysOf(const Command& command, Arguments arguments, std::vector<size_t>* keys);

}  // namespace onced::redis

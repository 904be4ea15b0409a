// SPDX-License-Identifier: MIT
// Interpreter: runs commands for sessions, as Redis would, on the databases of a keyspace.
//
// It knows no socket: what a command answers is appended to its session's output, and leaves when
// the turn in which it ran has been committed.
//
// Threads: the door's one.
// Invariants: 1. Every command is answered exactly by what the session's mode of replies says: one
// answer, or none. 2. Nothing is read or written for who has not said who it is. 3. A transaction
// runs whole within a turn.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/operations/log_event.h"
#include "server/redis/channels.h"
#include "server/redis/command.h"
#include "server/redis/database.h"
#include "server/redis/ledger_commands.h"
#include "server/redis/resp_parser.h"
#include "server/redis/scripts.h"
#include "server/redis/session.h"

namespace onced::redis {

struct InterpreterOptions {
  Keyspace* keyspace = nullptr;
  // The tenant of a token, "" for nobody's. Absent: no token is needed, all are the tenant
  // "default".
  std::function<std::string(std::string_view user, std::string_view token)> authenticate;
  uint16_t port = 0;
  std::string version;     // onced's
  std::string durability;  // "sync", "interval", "os"
  Report report;
  size_t connections_max = 10'000;
  int64_t bulk_max = kBulkMax;  // bytes of one argument
  // Bytes of one answer to who only reads; a longer one becomes an error.
  size_t answer_max = static_cast<size_t>(kBulkMax);
  size_t memory_max = SIZE_MAX;  // of all connections' buffers; the door sees to it
  bool scripts = true;
  std::function<void()> meanwhile;  // see Scripts
  LedgerParts ledger;
};

class Interpreter {
 public:
  explicit Interpreter(InterpreterOptions options);

  // A session that begins or ends. `session` must live until Leave.
  void Enter(Session* session);
  void Leave(Session* session);

  // Whether nothing else may have run in its turn.
  static bool MustBeFirst(Arguments arguments);
  // REQUIRES: arguments is not empty. Appends the answer to session->out.
  void Execute(Session* session, Arguments arguments);
  // Runs one command for another that holds many: EXEC, a script. Its answer goes to `out`.
  void RunNow(Session* session, const Command& command, Arguments arguments, std::string* out);

  // What it names, subcommands found; or nullptr in `command`, and the error that answers an
  // unknown command or a wrong count of arguments.
  std::string Resolve(Arguments arguments, const Command** command);

  Databases& data() { return data_; }
  Scripts& scripts() { return scripts_; }
  Channels& channels() { return channels_; }
  const Channels& channels() const { return channels_; }
  const InterpreterOptions& options() const { return options_; }
  const std::map<uint64_t, Session*>& sessions() const { return sessions_; }
  // The session is in no transaction any more, and watches nothing.
  void AbortMulti(Session* session);
  // Ends a session; the one whose command asks, `own`, only when that is answered.
  void End(Session* session, const Session& own);
  // Those that were ended since the last call, but for their own.
  std::vector<uint64_t> TakeEnded() { return std::exchange(ended_, {}); }
  // `token`: what proved it, if any was needed.
  void Authenticate(Session* session, std::string_view tenant, std::string_view user,
                    std::string_view token);

  // Counted since the start.
  uint64_t commands = 0;
  uint64_t counted_commands = 0;  // of them those that have told the tally what they came to
  uint64_t connections = 0;
  uint64_t rejected_connections = 0;
  uint64_t evicted_connections = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  int64_t started_ms = 0;
  uint64_t unknown_commands() const { return unknown_total_; }
  const std::string& run_id() const { return run_id_; }
  void ResetStatistics();

 private:
  void CountUnknown(std::string_view name);
  // The error that a command is refused with before it is run or queued, or "".
  std::string_view WhyNot(const Session& session, const Command& command) const;
  void Refuse(Session* session, Arguments arguments, std::string_view error);
  // Its answer is what stands from `begin` on.
  void EndAnswer(Session* session, size_t begin);
  // False: there is no room for it.
  bool Enqueue(Session* session, const Command& command, Arguments arguments);

  const InterpreterOptions options_;
  Databases data_;
  Scripts scripts_;
  Channels channels_;
  std::map<uint64_t, Session*> sessions_;
  std::unordered_map<std::string, uint64_t> unknown_;
  uint64_t unknown_total_ = 0;
  uint64_t last_id_ = 0;
  std::vector<uint64_t> ended_;
  const std::string run_id_;
};

// What commands of several groups answer.
inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view kOutOfMemory =
    "OOM command not allowed when used memory > 'maxmemory'.";
inline constexpr std::string_view kNotInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kSyntax = "ERR syntax error";

// Each answers with an error, and is false, when `text` is none.
bool ExpectInteger(Call& call, std::string_view text, int64_t* value);
bool ExpectDatabase(Call& call, std::string_view text, Selected* db);

}  // namespace onced::redis

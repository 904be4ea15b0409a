// SPDX-License-Identifier: MIT
#include "server/redis/interpreter.h"

#include <algorithm>
#include <utility>

#include "engine/keygen.h"
#include "server/redis/argument.h"

namespace onced::redis {
namespace {

constexpr size_t kUnknownNamesMax = 1'000;
constexpr size_t kShownMax = 128;
// What a transaction may queue, and what a transaction or a script may write: it is kept in memory.
constexpr size_t kTransactionMax = size_t{64} << 20;
constexpr std::string_view kBusy =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

// As C prints it, and not for ever.
std::string_view Shown(std::string_view text, size_t most = kShownMax) {
  return CText(text).substr(0, most);
}

std::string UnknownCommand(Arguments arguments) {
  std::string args;
  for (size_t i = 1; i < arguments.size() && args.size() < kShownMax; ++i) {
    const size_t room = kShownMax - args.size();
    args.append("'").append(Shown(arguments[i], room)).append("' ");
  }
  return "ERR unknown command '" + std::string(Shown(arguments[0])) +
         "', with args beginning with: " + args;
}

// Those that are run at once even in a transaction.
bool EndsOrShapesMulti(const Command& command) {
  constexpr std::string_view kNames[] = {"exec", "discard", "multi", "watch", "quit", "reset"};
  return command.container.empty() &&
         std::find(std::begin(kNames), std::end(kNames), command.name) != std::end(kNames);
}

// What RESP2 allows to who listens to channels: it could not tell a reply from a message.
bool GoesWithListening(const Command& command) {
  constexpr std::string_view kNames[] = {"subscribe", "psubscribe", "unsubscribe", "punsubscribe",
                                         "ping",      "quit",       "reset"};
  return command.container.empty() &&
         std::find(std::begin(kNames), std::end(kNames), command.name) != std::end(kNames);
}

// Whether it changes what its session is.
bool Shapes(const Command& command) {
  return command.group == "transactions" || command.group == "pubsub" ||
         (command.group == "connection" && command.name != "ping" && command.name != "echo");
}

bool NamesTooLong(const Command& command, Arguments arguments) {
  const auto too_long = [](std::string_view one) { return one.size() > Keyspace::kNameMax; };
  if (std::none_of(arguments.begin(), arguments.end(), too_long)) return false;
  std::vector<size_t> keys;
  return KeysOf(command, arguments, &keys) &&
         std::any_of(keys.begin(), keys.end(), [&](size_t at) { return too_long(arguments[at]); });
}

}  // namespace

bool ExpectInteger(Call& call, std::string_view text, int64_t* value) {
  if (ReadInteger(text, value)) return true;
  call.reply.Error(kNotInteger);
  return false;
}

bool ExpectDatabase(Call& call, std::string_view text, Selected* db) {
  int64_t number = 0;
  if (!ExpectInteger(call, text, &number)) return false;
  if (number < INT32_MIN || number > INT32_MAX) {
    call.reply.Error("ERR value is out of range, value must between -2147483648 and 2147483647");
    return false;
  }
  if (number < 0 || number >= kDatabases) {
    call.reply.Error("ERR DB index is out of range");
    return false;
  }
  *db = call.data.Select(call.session.tenant, static_cast<int>(number));
  return true;
}

Interpreter::Interpreter(InterpreterOptions options)
    : options_(std::move(options)),
      data_(options_.keyspace),
      scripts_(options_.scripts, options_.meanwhile),
      run_id_(RandomHex(20)) {
  started_ms = data_.clock_ms();
}

void Interpreter::Enter(Session* session) {
  session->id = ++last_id_;
  session->since_ms = session->last_command_ms = data_.clock_ms();
  sessions_.emplace(session->id, session);
  ++connections;
  if (!options_.authenticate) Authenticate(session, "default", "default", "");
}

void Interpreter::Leave(Session* session) {
  session->gone = true;
  AbortMulti(session);
  channels_.Leave(session);
  sessions_.erase(session->id);
}

void Interpreter::AbortMulti(Session* session) {
  session->in_multi = false;
  session->queue_failed = false;
  std::vector<Queued>().swap(session->queue);  // with its room
  session->queue_bytes = 0;
  data_.Unwatch(session);
}

void Interpreter::End(Session* session, const Session& own) {
  if (session == &own) {
    session->close = true;
    return;
  }
  session->close_now = true;
  ended_.push_back(session->id);
}

void Interpreter::Authenticate(Session* session, std::string_view tenant, std::string_view user,
                               std::string_view token) {
  if (session->tenant != tenant) channels_.Leave(session);  // they are another tenant's
  session->tenant = tenant;
  session->user = user;
  session->user.shrink_to_fit();
  session->token = options_.authenticate ? DigestOf(token) : TokenDigest{};
  session->db = data_.Select(tenant, session->db.number);
}

void Interpreter::CountUnknown(std::string_view name) {
  ++unknown_total_;
  std::string lower(Shown(name));
  std::transform(lower.begin(), lower.end(), lower.begin(), LowerOf);
  if (unknown_.size() >= kUnknownNamesMax && !unknown_.contains(lower)) return;
  if (unknown_[lower]++ > 0 || !options_.report) return;
  // What is no word was not meant as a command: somebody's payload, perhaps, by another protocol.
  const bool is_word = lower.size() <= 32 && std::all_of(lower.begin(), lower.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
                       });
  options_.report(LogEvent::kUnknownCommand,
                  (is_word ? "a client sent the command '" + lower + "'"
                           : std::string("a client sent what is no word for a command")) +
                      ", which onced does not have");
}

std::string Interpreter::Resolve(Arguments arguments, const Command** command) {
  const Command* found = FindCommand(arguments[0]);
  if (found == nullptr) {
    CountUnknown(arguments[0]);
    return UnknownCommand(arguments);
  }
  if (!found->subcommands.empty() && arguments.size() >= 2) {
    const Command* const within = FindSubcommand(*found, arguments[1]);
    if (within == nullptr) {
      std::string upper(found->name);
      for (char& c : upper) c = static_cast<char>(c - 32);
      CountUnknown(std::string(found->name) + "|" + std::string(Shown(arguments[1])));
      return "ERR unknown subcommand '" + std::string(Shown(arguments[1])) + "'. Try " + upper +
             " HELP.";
    }
    found = within;
  }
  if (!found->Takes(arguments.size()) || found->run == nullptr) {
    return "ERR wrong number of arguments for '" + found->FullName() + "' command";
  }
  *command = found;
  return "";
}

bool Interpreter::MustBeFirst(Arguments arguments) {
  if (LowerOf(arguments[0].empty() ? '\0' : arguments[0][0]) != 'o') return false;
  const Command* const command = FindCommand(arguments[0]);
  return command != nullptr && (command->flags & kLedger) != 0;
}

void Interpreter::Execute(Session* session, Arguments arguments) {
  ++commands;
  const size_t begin = session->out.size();
  const int64_t now_ms = data_.clock_ms();
  if (!scripts_.is_busy()) data_.SetNow(now_ms);  // a script sees no time pass
  session->last_command_ms = now_ms;
  if (session->replies == Session::Replies::kSkipNext) session->replies = Session::Replies::kSkip;
  if (Is(arguments[0], "host:") || Is(arguments[0], "post")) {
    // A browser or an HTTP client was led here, perhaps on purpose of somebody else's.
    session->close_now = true;
    return;
  }
  const Command* command = nullptr;
  if (const std::string error = Resolve(arguments, &command); command == nullptr) {
    // Of these Redis leaves the code out when it tells why a transaction was discarded.
    Refuse(session, arguments,
           Is(arguments[0], "exec") ? error.substr(error.find(' ') + 1) : error);
  } else if (const std::string_view why = WhyNot(*session, *command); !why.empty()) {
    Refuse(session, arguments, why);
  } else if (session->protocol == 2 && session->listens() && !GoesWithListening(*command)) {
    Refuse(session, arguments,
           "ERR Can't execute '" + command->FullName() +
               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
               "this context");
  } else if (!session->in_multi || EndsOrShapesMulti(*command)) {
    session->last_command = command;
    session->shaped = session->shaped || Shapes(*command);
    RunNow(session, *command, arguments, &session->out);
  } else if (!Enqueue(session, *command, arguments)) {
    Refuse(session, arguments, kOutOfMemory);
  } else {
    session->last_command = command;
    session->shaped = true;
    Reply(&session->out, session->protocol).Status("QUEUED");
  }
  EndAnswer(session, begin);
}

void Interpreter::Refuse(Session* session, Arguments arguments, std::string_view error) {
  Reply reply(&session->out, session->protocol);
  if (Is(arguments[0], "exec")) {
    AbortMulti(session);
    return reply.Error("EXECABORT Transaction discarded because of: " + std::string(error));
  }
  if (session->in_multi) session->queue_failed = true;
  reply.Error(error);
}

void Interpreter::EndAnswer(Session* session, size_t begin) {
  if (session->replies == Session::Replies::kOn) {
    ++session->replies_in_turn;
  } else {
    session->out.resize(begin);
    if (session->replies == Session::Replies::kSkip) session->replies = Session::Replies::kOn;
  }
  if (session->pushes.empty()) return;
  session->out.insert(begin, session->pushes);
  std::string().swap(session->pushes);  // it may be as large as what somebody has published
}

std::string_view Interpreter::WhyNot(const Session& session, const Command& command) const {
  if (session.tenant.empty() && (command.flags & kNoAuth) == 0) {
    return "NOAUTH Authentication required.";
  }
  if (scripts_.is_busy() && (command.flags & kAllowBusy) == 0) return kBusy;
  if (session.in_multi && (command.flags & kNoMulti) != 0) {
    return "ERR Command not allowed inside a transaction";
  }
  return "";
}

bool Interpreter::Enqueue(Session* session, const Command& command, Arguments arguments) {
  size_t bytes = 2 * sizeof(Queued);  // a vector has room for more
  for (const std::string_view argument : arguments) bytes += KeptSize(argument);
  if (session->queue_bytes + bytes > kTransactionMax) return false;
  session->queue_bytes += bytes;
  session->queue.push_back(
      {.command = &command,
       .arguments = std::vector<std::string>(arguments.begin(), arguments.end())});
  return true;
}

void Interpreter::RunNow(Session* session, const Command& command, Arguments arguments,
                         std::string* out) {
  if (NamesTooLong(command, arguments)) {
    return Reply(out, session->protocol).Error("ERR a key is at most 65536 bytes long");
  }
  if ((command.flags & kWrite) != 0 && data_.keyspace().pending_bytes() > kTransactionMax) {
    return Reply(out, session->protocol).Error(kOutOfMemory);
  }
  const size_t begin = out->size();
  // What has changed something is told what it came to, however much that is: it is a value or a
  // collection at most.
  const size_t most =
      (command.flags & (kReadOnly | kTells)) != 0 ? begin + options_.answer_max : size_t{SIZE_MAX};
  Call call{.redis = *this,
            .session = *session,
            .data = data_,
            .command = command,
            .arguments = arguments,
            .reply = Reply(out, session->protocol, most)};
  command.run(call);
  if (out->size() <= most) return;
  out->resize(begin);
  out->shrink_to_fit();
  Reply(out, session->protocol)
      .Error("ERR the answer is larger than " + std::to_string(options_.answer_max) + " bytes");
}

void Interpreter::ResetStatistics() {
  commands = connections = bytes_in = bytes_out = 0;
  rejected_connections = evicted_connections = 0;
  data_.hits = data_.misses = 0;
  unknown_total_ = 0;
  unknown_.clear();
}

}  // namespace onced::redis

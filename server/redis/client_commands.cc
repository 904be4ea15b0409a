// SPDX-License-Identifier: MIT
#include "server/redis/client_commands.h"

#include <algorithm>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/interpreter.h"

namespace onced::redis {

namespace {

constexpr size_t kClientNameMax = 512;
constexpr std::string_view kLongClientName = "ERR a client's name is at most 512 bytes long";

bool IsPrintable(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::string DescriptionOf(const Session& s, int64_t now_ms) {
  std::string out = "id=" + std::to_string(s.id) + " addr=" + s.address +
                    " laddr=" + s.local_address + " fd=" + std::to_string(s.id) + " name=" + s.name;
  out += " age=" + std::to_string((now_ms - s.since_ms) / 1000) +
         " idle=" + std::to_string((now_ms - s.last_command_ms) / 1000);
  std::string flags;
  if (s.listens()) flags += 'P';
  if (s.in_multi) flags += 'x';
  if (s.touched) flags += 'd';
  if (s.close) flags += 'c';
  if (s.no_evict) flags += 'e';
  if (s.no_touch) flags += 'T';
  out += " flags=" + (flags.empty() ? "N" : flags) + " db=" + std::to_string(s.db.number) +
         " sub=" + std::to_string(s.channels.size()) +
         " psub=" + std::to_string(s.patterns.size()) +
         " ssub=0 multi=" + (s.in_multi ? std::to_string(s.queue.size()) : std::string("-1"));
  out += " qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0";
  out += " events=r cmd=" + (s.last_command == nullptr ? "NULL" : s.last_command->FullName()) +
         " user=" + s.user + " redir=-1 resp=" + std::to_string(s.protocol);
  out += " lib-name=" + s.library_name + " lib-ver=" + s.library_version;
  return out;
}

// A tenant sees its own.
std::vector<Session*> OwnSessions(Call& call) {
  std::vector<Session*> own;
  for (const auto& [id, session] : call.redis.sessions()) {
    if (session->tenant == call.session.tenant) own.push_back(session);
  }
  return own;
}

void RunId(Call& call) { call.reply.Integer(static_cast<int64_t>(call.session.id)); }

void RunGetName(Call& call) {
  call.session.name.empty() ? call.reply.Null() : call.reply.Bulk(call.session.name);
}

void RunSetName(Call& call) {
  if (const std::string_view why = WhyNoClientName(call[2]); !why.empty()) {
    return call.reply.Error(why);
  }
  call.session.name = call[2];
  call.reply.Ok();
}

void RunSetInfo(Call& call) {
  std::string* field = nullptr;
  if (Is(call[2], "lib-name")) field = &call.session.library_name;
  if (Is(call[2], "lib-ver")) field = &call.session.library_version;
  if (field == nullptr) {
    return call.reply.Error("ERR Unrecognized option '" + std::string(call[2]) + "'");
  }
  if (call[3].size() > kClientNameMax) return call.reply.Error(kLongClientName);
  if (!IsPrintable(call[3])) {
    return call.reply.Error("ERR " + std::string(call[2]) +
                            " cannot contain spaces, newlines or special characters.");
  }
  *field = call[3];
  call.reply.Ok();
}

void RunInfo(Call& call) { call.reply.Verbatim(DescriptionOf(call.session, call.now_ms()) + "\n"); }

// Leaves those of a type; false: answered, for there is none of that name.
bool KeepOfType(Call& call, std::string_view type, std::vector<Session*>* sessions) {
  const bool listening = Is(type, "pubsub");
  if (!listening && !Is(type, "normal")) {
    if (!Is(type, "master") && !Is(type, "replica") && !Is(type, "slave")) {
      call.reply.Error("ERR Unknown client type '" + std::string(type) + "'");
      return false;
    }
    sessions->clear();  // nobody replicates
  }
  std::erase_if(*sessions, [&](const Session* one) { return one->listens() != listening; });
  return true;
}

// CLIENT LIST [TYPE normal|master|replica|pubsub] [ID id ...]
void RunList(Call& call) {
  std::vector<Session*> shown = OwnSessions(call);
  if (call.size() == 4 && Is(call[2], "type")) {
    if (!KeepOfType(call, call[3], &shown)) return;
  } else if (call.size() > 3 && Is(call[2], "id")) {
    std::vector<int64_t> ids(call.size() - 3);
    for (size_t i = 3; i < call.size(); ++i) {
      if (!ReadInteger(call[i], &ids[i - 3])) return call.reply.Error("ERR Invalid client ID");
    }
    std::erase_if(shown, [&ids](const Session* session) {
      return std::find(ids.begin(), ids.end(), static_cast<int64_t>(session->id)) == ids.end();
    });
  } else if (call.size() != 2) {
    return call.reply.Error(kSyntax);
  }
  std::string text;
  for (const Session* session : shown) text += DescriptionOf(*session, call.now_ms()) + "\n";
  call.reply.Verbatim(text);
}

// CLIENT KILL address | CLIENT KILL [ID id] [ADDR a] [LADDR a] [TYPE t] [USER u] [SKIPME yes|no]
void RunKill(Call& call) {
  if (call.size() == 3) {
    for (Session* session : OwnSessions(call)) {
      if (session->address != call[2]) continue;
      call.redis.End(session, call.session);
      return call.reply.Ok();
    }
    return call.reply.Error("ERR No such client");
  }
  bool skip_me = true;
  std::vector<Session*> matching = OwnSessions(call);
  for (size_t i = 2; i < call.size(); i += 2) {
    if (i + 1 >= call.size()) return call.reply.Error(kSyntax);
    const std::string_view value = call[i + 1];
    int64_t id = 0;
    if (Is(call[i], "id")) {
      if (!ReadInteger(value, &id) || id < 1) {
        return call.reply.Error("ERR client-id should be greater than 0");
      }
      std::erase_if(matching, [id](Session* s) { return s->id != static_cast<uint64_t>(id); });
    } else if (Is(call[i], "addr")) {
      std::erase_if(matching, [value](Session* s) { return s->address != value; });
    } else if (Is(call[i], "laddr")) {
      std::erase_if(matching, [value](Session* s) { return s->local_address != value; });
    } else if (Is(call[i], "user")) {
      if (value != "default" && value != call.session.tenant) {
        return call.reply.Error("ERR No such user '" + std::string(CText(value)) + "'");
      }
      std::erase_if(matching, [value](Session* s) { return s->user != value; });
    } else if (Is(call[i], "type")) {
      if (!KeepOfType(call, value, &matching)) return;
    } else if (Is(call[i], "skipme") && (Is(value, "yes") || Is(value, "no"))) {
      skip_me = Is(value, "yes");
    } else {
      return call.reply.Error(kSyntax);
    }
  }
  int64_t ended = 0;
  for (Session* session : matching) {
    if (session == &call.session && skip_me) continue;
    call.redis.End(session, call.session);
    ++ended;
  }
  call.reply.Integer(ended);
}

// ON or OFF; false: answered.
bool ExpectSwitch(Call& call, bool* on) {
  *on = Is(call[2], "on");
  if (*on || Is(call[2], "off")) return true;
  call.reply.Error(kSyntax);
  return false;
}

void RunNoEvict(Call& call) {
  if (ExpectSwitch(call, &call.session.no_evict)) call.reply.Ok();
}

void RunNoTouch(Call& call) {
  if (ExpectSwitch(call, &call.session.no_touch)) call.reply.Ok();
}

void RunReply(Call& call) {
  using Replies = Session::Replies;
  if (Is(call[2], "on")) {
    call.session.replies = Replies::kOn;
    call.reply.Ok();
  } else if (Is(call[2], "off")) {
    call.session.replies = Replies::kOff;
  } else if (Is(call[2], "skip")) {
    if (call.session.replies != Replies::kOff) call.session.replies = Replies::kSkipNext;
  } else {
    call.reply.Error(kSyntax);
  }
}

// Nobody is ever blocked.
void RunUnblock(Call& call) {
  int64_t id = 0;
  if (!ExpectInteger(call, call[2], &id)) return;
  if (call.size() == 4 && !Is(call[3], "timeout") && !Is(call[3], "error")) {
    return call.reply.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  call.reply.Integer(0);
}

void RunHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "GETNAME",
      "ID",
      "INFO",
      "KILL <option>",
      "LIST [options ...]",
      "NO-EVICT (ON|OFF)",
      "NO-TOUCH (ON|OFF)",
      "REPLY (ON|OFF|SKIP)",
      "SETINFO <option> <value>",
      "SETNAME <name>",
      "UNBLOCK <clientid> [TIMEOUT|ERROR]",
      "HELP"};
  call.reply.Array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.Status(line);
}

constexpr auto kPlain = kNoScript | kLoading | kStale;

constexpr Command kSubcommands[] = {
    {"getname",
     2,
     kPlain,
     0,
     0,
     0,
     RunGetName,
     "connection",
     "2.6.9",
     "This connection's name",
     {},
     "client"},
    {"help",
     2,
     kLoading | kStale,
     0,
     0,
     0,
     RunHelp,
     "connection",
     "5.0.0",
     "The subcommands of CLIENT",
     {},
     "client"},
    {"id",
     2,
     kPlain,
     0,
     0,
     0,
     RunId,
     "connection",
     "5.0.0",
     "This connection's number",
     {},
     "client"},
    {"info",
     2,
     kPlain,
     0,
     0,
     0,
     RunInfo,
     "connection",
     "6.2.0",
     "This connection, described",
     {},
     "client"},
    {"kill",
     -3,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunKill,
     "connection",
     "2.4.0",
     "Ends connections of the same tenant",
     {},
     "client"},
    {"list",
     -2,
     kPlain | kAdmin | kTells,
     0,
     0,
     0,
     RunList,
     "connection",
     "2.4.0",
     "The connections of the same tenant",
     {},
     "client"},
    {"no-evict",
     3,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunNoEvict,
     "connection",
     "7.0.0",
     "Taken note of: who keeps most in memory is evicted all the same",
     {},
     "client"},
    {"no-touch",
     3,
     kPlain,
     0,
     0,
     0,
     RunNoTouch,
     "connection",
     "7.2.0",
     "Taken note of: no key's idle time is kept",
     {},
     "client"},
    {"reply",
     3,
     kPlain,
     0,
     0,
     0,
     RunReply,
     "connection",
     "3.2.0",
     "Whether commands are answered",
     {},
     "client"},
    {"setinfo",
     4,
     kPlain,
     0,
     0,
     0,
     RunSetInfo,
     "connection",
     "7.2.0",
     "The name and version of the client's library",
     {},
     "client"},
    {"setname",
     3,
     kPlain,
     0,
     0,
     0,
     RunSetName,
     "connection",
     "2.6.9",
     "Names this connection",
     {},
     "client"},
    {"unblock",
     -3,
     kPlain | kAdmin,
     0,
     0,
     0,
     RunUnblock,
     "connection",
     "5.0.0",
     "0: no command blocks",
     {},
     "client"},
};

}  // namespace

std::string_view WhyNoClientName(std::string_view name) {
  if (name.size() > kClientNameMax) return kLongClientName;
  if (IsPrintable(name)) return "";
  return "ERR Client names cannot contain spaces, newlines or special characters.";
}

std::span<const Command> ClientSubcommands() { return kSubcommands; }

}  // namespace onced::redis

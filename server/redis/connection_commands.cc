// SPDX-License-Identifier: MIT
// The commands by which a connection says who it is and what it speaks.
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/client_commands.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Whether the session may go on as this user. Without tokens everybody is "default".
bool Admit(Call& call, std::string_view user, std::string_view token) {
  const InterpreterOptions& options = call.redis.options();
  if (!options.authenticate) {
    if (user != "default") return false;
    call.redis.Authenticate(&call.session, "default", "default", "");
    return true;
  }
  const std::string tenant = options.authenticate(user, token);
  if (tenant.empty()) return false;
  call.redis.Authenticate(&call.session, tenant, user, token);
  return true;
}

void RunAuth(Call& call) {
  if (call.size() > 3) return call.reply.Error(kSyntax);
  if (call.size() == 2 && !call.redis.options().authenticate) {
    return call.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = call.size() == 3 ? call[1] : "default";
  const std::string_view token = call[call.size() - 1];
  Admit(call, user, token) ? call.reply.Ok() : call.reply.Error(kWrongPass);
}

void RunPing(Call& call) {
  if (call.size() > 2) {
    return call.reply.Error("ERR wrong number of arguments for 'ping' command");
  }
  if (call.session.protocol == 2 && call.session.listens()) {
    call.reply.Array(2);
    call.reply.Bulk("pong");
    return call.reply.Bulk(call.size() == 2 ? call[1] : "");
  }
  call.size() == 2 ? call.reply.Bulk(call[1]) : call.reply.Status("PONG");
}

void RunEcho(Call& call) { call.reply.Bulk(call[1]); }

void RunSelect(Call& call) {
  if (ExpectDatabase(call, call[1], &call.session.db)) call.reply.Ok();
}

void RunQuit(Call& call) {
  call.session.close = true;
  call.reply.Ok();
}

void RunReset(Call& call) {
  Session& session = call.session;
  call.redis.AbortMulti(&session);
  call.redis.channels().Leave(&session);
  session.name.clear();
  session.no_evict = session.no_touch = false;
  session.replies = Session::Replies::kOn;
  session.protocol = 2;
  session.db.number = 0;
  if (call.redis.options().authenticate) {
    session.tenant.clear();
    session.token = {};
  } else {
    call.redis.Authenticate(&session, "default", "default", "");
  }
  call.reply.Status("RESET");
}

void TellHello(Call& call) {
  Reply reply(&call.reply.out(), call.session.protocol);
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk("redis");
  reply.Bulk("version");
  reply.Bulk(kRedisVersion);
  reply.Bulk("proto");
  reply.Integer(call.session.protocol);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(call.session.id));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk("master");
  reply.Bulk("modules");
  reply.Array(0);
}

// HELLO [version [AUTH user token] [SETNAME name]]
void RunHello(Call& call) {
  int64_t version = 0;
  if (call.size() >= 2) {
    if (!ReadInteger(call[1], &version)) {
      return call.reply.Error("ERR Protocol version is not an integer or out of range");
    }
    if (version < 2 || version > 3) return call.reply.Error("NOPROTO unsupported protocol version");
  }
  std::string_view user;
  std::string_view token;
  std::string_view name;
  bool has_auth = false;
  bool has_name = false;
  for (size_t i = 2; i < call.size(); ++i) {
    const size_t more = call.size() - 1 - i;
    if (Is(call[i], "auth") && more >= 2) {
      has_auth = true;
      user = call[i + 1];
      token = call[i + 2];
      i += 2;
    } else if (Is(call[i], "setname") && more >= 1) {
      has_name = true;
      name = call[++i];
      if (const std::string_view why = WhyNoClientName(name); !why.empty()) {
        return call.reply.Error(why);
      }
    } else {
      return call.reply.Error("ERR Syntax error in HELLO option '" + std::string(CText(call[i])) +
                              "'");
    }
  }
  if (has_auth && !Admit(call, user, token)) return call.reply.Error(kWrongPass);
  if (call.session.tenant.empty()) {
    return call.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (has_name) call.session.name = name;
  if (version != 0) call.session.protocol = static_cast<int>(version);
  TellHello(call);
}

constexpr auto kPlain = kNoScript | kLoading | kStale | kFast;

const Command kCommands[] = {
    {"auth", -2, kPlain | kNoAuth | kAllowBusy, 0, 0, 0, RunAuth, "connection", "1.0.0",
     "Says who the client is: a tenant's token is the password"},
    {"client", -2, 0, 0, 0, 0, nullptr, "connection", "2.4.0", "About this and other connections",
     ClientSubcommands()},
    {"echo", 2, kLoading | kStale | kFast, 0, 0, 0, RunEcho, "connection", "1.0.0",
     "What it was given"},
    {"hello", -1, kPlain | kNoAuth | kAllowBusy, 0, 0, 0, RunHello, "connection", "6.0.0",
     "Chooses RESP2 or RESP3"},
    {"ping", -1, kLoading | kStale | kFast, 0, 0, 0, RunPing, "connection", "1.0.0",
     "That it is there"},
    {"quit", -1, kPlain | kNoAuth | kAllowBusy, 0, 0, 0, RunQuit, "connection", "1.0.0",
     "Ends the connection"},
    {"reset", 1, kPlain | kNoAuth | kAllowBusy, 0, 0, 0, RunReset, "connection", "6.2.0",
     "Makes the connection as new"},
    {"select", 2, kLoading | kStale | kFast, 0, 0, 0, RunSelect, "connection", "1.0.0",
     "Chooses a database"},
};

}  // namespace

std::span<const Command> ConnectionCommands() { return kCommands; }

}  // namespace onced::redis

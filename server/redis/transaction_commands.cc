// SPDX-License-Identifier: MIT
// Transactions: commands that are kept, and run together when nothing that was watched has changed.
#include <string>
#include <vector>

#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

void RunMulti(Call& call) {
  if (call.session.in_multi) return call.reply.Error("ERR MULTI calls can not be nested");
  call.session.in_multi = true;
  call.reply.Ok();
}

void RunDiscard(Call& call) {
  if (!call.session.in_multi) return call.reply.Error("ERR DISCARD without MULTI");
  call.redis.AbortMulti(&call.session);
  call.reply.Ok();
}

void RunExec(Call& call) {
  Session& session = call.session;
  if (!session.in_multi) return call.reply.Error("ERR EXEC without MULTI");
  const bool called_off = session.touched || call.data.WatchedHasDied(session);
  const bool failed = session.queue_failed;
  const std::vector<Queued> queue = std::move(session.queue);
  call.redis.AbortMulti(&session);
  if (failed) {
    return call.reply.Error("EXECABORT Transaction discarded because of previous errors.");
  }
  if (called_off) return call.reply.NullArray();
  call.reply.Array(queue.size());
  std::string* const out = &call.reply.out();
  const size_t most = out->size() + call.redis.options().answer_max;
  for (const Queued& queued : queue) {
    const std::vector<std::string_view> arguments(queued.arguments.begin(), queued.arguments.end());
    const size_t begin = out->size();
    call.redis.RunNow(&session, *queued.command, arguments, out);
    if (out->size() <= most) continue;
    out->resize(begin);
    Reply(out, session.protocol).Error("ERR the replies of this transaction are too large");
  }
}

void RunWatch(Call& call) {
  if (call.session.in_multi) return call.reply.Error("ERR WATCH inside MULTI is not allowed");
  for (const std::string_view key : call.arguments.subspan(1)) {
    call.data.Watch(&call.session, call.db(), key);
  }
  call.reply.Ok();
}

void RunUnwatch(Call& call) {
  call.data.Unwatch(&call.session);
  call.reply.Ok();
}

constexpr auto kFlags = kNoScript | kLoading | kStale | kFast;

constexpr Command kCommands[] = {
    {"discard", 1, kFlags | kAllowBusy, 0, 0, 0, RunDiscard, "transactions", "2.0.0",
     "Forgets the commands of a transaction"},
    {"exec", 1, kNoScript | kLoading | kStale, 0, 0, 0, RunExec, "transactions", "1.2.0",
     "Runs the commands of a transaction, if nothing watched has changed"},
    {"multi", 1, kFlags | kAllowBusy, 0, 0, 0, RunMulti, "transactions", "1.2.0",
     "From here on commands are kept for EXEC"},
    {"unwatch", 1, kFlags | kAllowBusy, 0, 0, 0, RunUnwatch, "transactions", "2.2.0",
     "Forgets what is watched"},
    {"watch", -2, kFlags | kAllowBusy, 1, -1, 1, RunWatch, "transactions", "2.2.0",
     "EXEC is called off when one of these keys has changed"},
};

}  // namespace

std::span<const Command> TransactionCommands() { return kCommands; }

}  // namespace onced::redis

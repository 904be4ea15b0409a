// SPDX-License-Identifier: MIT
// The commands on channels: who listens, and what is told.
#include <optional>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/channels.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

// Each name is answered by itself, as a message: what was done, to what (nothing: there was none),
// and how much the session listens to now. As a message it comes also where replies are off.
void Tell(Call& call, std::string_view what, std::optional<std::string_view> name) {
  Session& session = call.session;
  const bool wanted = session.replies == Session::Replies::kOn;
  Reply message(&session.pushes, session.protocol);
  Reply& reply = wanted ? call.reply : message;
  reply.Push(3);
  reply.Bulk(what);
  name.has_value() ? reply.Bulk(*name) : reply.Null();
  reply.Integer(static_cast<int64_t>(session.channels.size() + session.patterns.size()));
}

void RunSubscribe(Call& call) {
  for (const std::string_view channel : call.arguments.subspan(1)) {
    call.redis.channels().Subscribe(&call.session, channel);
    Tell(call, "subscribe", channel);
  }
}

void RunPSubscribe(Call& call) {
  for (const std::string_view pattern : call.arguments.subspan(1)) {
    call.redis.channels().SubscribeToPattern(&call.session, pattern);
    Tell(call, "psubscribe", pattern);
  }
}

// Those that are named, or all.
template <typename Names, typename Leave>
void LeaveSome(Call& call, std::string_view what, const Names& own, const Leave& leave) {
  std::vector<std::string> names(own.begin(), own.end());
  if (call.size() > 1) names.assign(call.arguments.begin() + 1, call.arguments.end());
  if (names.empty()) return Tell(call, what, std::nullopt);
  for (const std::string& name : names) {
    leave(name);
    Tell(call, what, name);
  }
}

void RunUnsubscribe(Call& call) {
  LeaveSome(call, "unsubscribe", call.session.channels, [&](const std::string& channel) {
    call.redis.channels().Unsubscribe(&call.session, channel);
  });
}

void RunPUnsubscribe(Call& call) {
  LeaveSome(call, "punsubscribe", call.session.patterns, [&](const std::string& pattern) {
    call.redis.channels().UnsubscribeFromPattern(&call.session, pattern);
  });
}

void RunPublish(Call& call) {
  const size_t receivers = call.redis.channels().Publish(&call.session, call[1], call[2]);
  call.reply.Integer(static_cast<int64_t>(receivers));
}

void RunActive(Call& call) {
  if (call.size() > 3) {
    return call.reply.Error(
        "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.");
  }
  const std::vector<std::string_view> active = call.redis.channels().Active(
      call.session.tenant, call.size() == 3 ? call[2] : std::string_view("*"));
  call.reply.Array(active.size());
  for (const std::string_view channel : active) call.reply.Bulk(channel);
}

void RunNumSub(Call& call) {
  call.reply.Array((call.size() - 2) * 2);
  for (const std::string_view channel : call.arguments.subspan(2)) {
    call.reply.Bulk(channel);
    call.reply.Integer(
        static_cast<int64_t>(call.redis.channels().Listeners(call.session.tenant, channel)));
  }
}

void RunNumPat(Call& call) {
  call.reply.Integer(static_cast<int64_t>(call.redis.channels().Patterns(call.session.tenant)));
}

void RunHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CHANNELS [<pattern>]",
      "    Return the currently active channels matching a <pattern> (default: '*').",
      "NUMPAT",
      "    Return number of subscriptions to patterns.",
      "NUMSUB [<channel> ...]",
      "    Return the number of subscribers for the specified channels, excluding",
      "    pattern subscriptions(default: no channels).",
      "HELP",
      "    Prints this help."};
  call.reply.Array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.Status(line);
}

constexpr auto kAsks = kPubSub | kLoading | kStale;
constexpr auto kListens = kAsks | kNoScript;

constexpr Command kPubSubCommands[] = {
    {"channels",
     -2,
     kAsks | kTells,
     0,
     0,
     0,
     RunActive,
     "pubsub",
     "2.8.0",
     "What somebody listens to",
     {},
     "pubsub"},
    {"help",
     2,
     kLoading | kStale,
     0,
     0,
     0,
     RunHelp,
     "pubsub",
     "6.2.0",
     "Tells the subcommands",
     {},
     "pubsub"},
    {"numpat",
     2,
     kAsks,
     0,
     0,
     0,
     RunNumPat,
     "pubsub",
     "2.8.0",
     "How many patterns are listened to",
     {},
     "pubsub"},
    {"numsub",
     -2,
     kAsks | kTells,
     0,
     0,
     0,
     RunNumSub,
     "pubsub",
     "2.8.0",
     "How many listen to each channel",
     {},
     "pubsub"},
};

constexpr Command kCommands[] = {
    {"psubscribe", -2, kListens, 0, 0, 0, RunPSubscribe, "pubsub", "2.0.0",
     "Listens to all channels that match a pattern"},
    {"publish", 3, kAsks | kFast, 0, 0, 0, RunPublish, "pubsub", "2.0.0",
     "Tells all who listen to a channel"},
    {"pubsub", -2, 0, 0, 0, 0, nullptr, "pubsub", "2.8.0", "Who listens to what", kPubSubCommands},
    {"punsubscribe", -1, kListens, 0, 0, 0, RunPUnsubscribe, "pubsub", "2.0.0",
     "Listens no more to patterns"},
    {"subscribe", -2, kListens, 0, 0, 0, RunSubscribe, "pubsub", "2.0.0", "Listens to channels"},
    {"unsubscribe", -1, kListens, 0, 0, 0, RunUnsubscribe, "pubsub", "2.0.0",
     "Listens no more to channels"},
};

}  // namespace

std::span<const Command> ChannelCommands() { return kCommands; }

}  // namespace onced::redis

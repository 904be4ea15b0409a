// SPDX-License-Identifier: MIT
// Channels: who listens to what, and the messages that are published to them. Nothing of it is
// kept: who does not listen at the moment misses it, as with Redis.
//
// A message goes to its listeners' output of the turn in which it was published, so it arrives when
// what was written before it is as durable as was promised.
//
// Threads: the door's one.
// Invariants: 1. Each tenant has channels of its own. 2. Who does not read what he is sent is cut
// off when kUnreadMax of it has come together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/redis/session.h"

namespace onced::redis {

class Channels {
 public:
  static constexpr size_t kUnreadMax = size_t{32} << 20;

  // False: it was so already.
  bool Subscribe(Session* session, std::string_view channel);
  bool Unsubscribe(Session* session, std::string_view channel);
  bool SubscribeToPattern(Session* session, std::string_view pattern);
  bool UnsubscribeFromPattern(Session* session, std::string_view pattern);
  void Leave(Session* session);

  // Sends a message to all who listen, and returns how many times. The output of `from`, who may be
  // among them and is in the midst of a reply, is left alone: see Session::pushes.
  size_t Publish(Session* from, std::string_view channel, std::string_view message);

  // Of a tenant, sorted; those that match the glob, if there is one.
  std::vector<std::string_view> Active(std::string_view tenant, std::string_view glob) const;
  size_t Listeners(std::string_view tenant, std::string_view channel) const;
  size_t Patterns(std::string_view tenant) const;
  size_t Count() const { return channels_.size(); }
  size_t PatternCount() const { return patterns_.size(); }

  // The ids of who has been sent something since the last call. A session may be there twice, and
  // may end while the others are looked at.
  std::vector<uint64_t> TakeTold() { return std::exchange(told_, {}); }
  // How much was sent in all.
  size_t sent_bytes() const { return sent_bytes_; }
  void ForgetSentBytes() { sent_bytes_ = 0; }

 private:
  using Name = std::pair<std::string, std::string>;  // tenant, channel or pattern
  using Audience = std::set<Session*>;
  using Map = std::map<Name, Audience, std::less<>>;

  static bool Add(Map& map, std::set<std::string, std::less<>>& own, Session* session,
                  std::string_view name);
  static bool Remove(Map& map, std::set<std::string, std::less<>>& own, Session* session,
                     std::string_view name);
  void Send(Session* to, const Session* from, const std::vector<std::string_view>& parts);

  Map channels_;
  Map patterns_;
  std::vector<uint64_t> told_;
  size_t sent_bytes_ = 0;
};

}  // namespace onced::redis

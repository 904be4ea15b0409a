// SPDX-License-Identifier: MIT
#include "server/redis/channels.h"

#include <algorithm>

#include "server/redis/glob.h"
#include "server/redis/reply.h"

namespace onced::redis {

namespace {

// Its name stands in two trees, and in one of them beside the tenant and the listeners.
size_t SizeOf(const Session& session, std::string_view name) {
  return 2 * KeptSize(name) + session.tenant.size() + 256;
}

}  // namespace

bool Channels::Add(Map& map, std::set<std::string, std::less<>>& own, Session* session,
                   std::string_view name) {
  if (session->gone || !own.emplace(name).second) return false;
  map[Name(session->tenant, name)].insert(session);
  session->listening_bytes += SizeOf(*session, name);
  return true;
}

bool Channels::Remove(Map& map, std::set<std::string, std::less<>>& own, Session* session,
                      std::string_view name) {
  const auto mine = own.find(name);
  if (mine == own.end()) return false;
  const auto found = map.find(Name(session->tenant, name));
  found->second.erase(session);
  if (found->second.empty()) map.erase(found);
  session->listening_bytes -= SizeOf(*session, name);
  own.erase(mine);  // and perhaps the name with it
  return true;
}

bool Channels::Subscribe(Session* session, std::string_view channel) {
  return Add(channels_, session->channels, session, channel);
}

bool Channels::Unsubscribe(Session* session, std::string_view channel) {
  return Remove(channels_, session->channels, session, channel);
}

bool Channels::SubscribeToPattern(Session* session, std::string_view pattern) {
  return Add(patterns_, session->patterns, session, pattern);
}

bool Channels::UnsubscribeFromPattern(Session* session, std::string_view pattern) {
  return Remove(patterns_, session->patterns, session, pattern);
}

void Channels::Leave(Session* session) {
  while (!session->channels.empty()) Unsubscribe(session, std::string(*session->channels.begin()));
  while (!session->patterns.empty()) {
    UnsubscribeFromPattern(session, std::string(*session->patterns.begin()));
  }
  std::erase(told_, session->id);
}

void Channels::Send(Session* to, const Session* from, const std::vector<std::string_view>& parts) {
  if (to->close_now) return;
  std::string& out = to == from ? to->pushes : to->out;
  if (out.size() > kUnreadMax) {
    to->close_now = true;
    told_.push_back(to->id);
    return;
  }
  const size_t begin = out.size();
  // Otherwise it is there, or has been answered.
  if (begin == 0 && to != from) told_.push_back(to->id);
  Reply reply(&out, to->protocol);
  reply.Push(parts.size());
  for (const std::string_view part : parts) reply.Bulk(part);
  sent_bytes_ += out.size() - begin;
}

size_t Channels::Publish(Session* from, std::string_view channel, std::string_view message) {
  size_t receivers = 0;
  const auto listened = channels_.find(Name(from->tenant, channel));
  if (listened != channels_.end()) {
    for (Session* const session : listened->second) {
      Send(session, from, {"message", channel, message});
      ++receivers;
    }
  }
  for (auto one = patterns_.lower_bound(Name(from->tenant, ""));
       one != patterns_.end() && one->first.first == from->tenant; ++one) {
    const std::string& pattern = one->first.second;
    if (!GlobMatches(pattern, channel)) continue;
    for (Session* const session : one->second) {
      Send(session, from, {"pmessage", pattern, channel, message});
      ++receivers;
    }
  }
  return receivers;
}

std::vector<std::string_view> Channels::Active(std::string_view tenant,
                                               std::string_view glob) const {
  std::vector<std::string_view> active;
  for (auto one = channels_.lower_bound(Name(tenant, ""));
       one != channels_.end() && one->first.first == tenant; ++one) {
    if (glob.empty() || GlobMatches(glob, one->first.second)) active.push_back(one->first.second);
  }
  return active;
}

size_t Channels::Listeners(std::string_view tenant, std::string_view channel) const {
  const auto found = channels_.find(Name(tenant, channel));
  return found == channels_.end() ? 0 : found->second.size();
}

size_t Channels::Patterns(std::string_view tenant) const {
  size_t count = 0;
  for (auto one = patterns_.lower_bound(Name(tenant, ""));
       one != patterns_.end() && one->first.first == tenant; ++one) {
    ++count;
  }
  return count;
}

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// The commands on sets: names that are there or not.
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/collection_values.h"
#include "server/redis/interpreter.h"
#include "server/redis/string_values.h"

namespace onced::redis {
namespace {

CollectionValue FindSet(Call& call) { return FindCollection(call, ValueType::kSet); }

size_t RandomBelow(size_t n) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_int_distribution<size_t>(0, n - 1)(random);
}

// `count` members, or all there are, each as likely as any other; the others go to `left`.
std::vector<std::string_view> Drawn(CollectionReader members, size_t count,
                                    CollectionWriter* left) {
  std::vector<std::string_view> drawn;
  for (Member member; members.Next(&member);) {
    // Of those from this one on, so many are still to be drawn.
    if (drawn.size() < count && RandomBelow(members.left() + 1) < count - drawn.size()) {
      drawn.push_back(member.name);
    } else {
      left->Keep(member);
    }
  }
  return drawn;
}

void RunSAdd(Call& call) {
  const CollectionValue set = LoadCollection(call, ValueType::kSet);
  if (set.refused) return;
  const Wanted names(call.arguments, 2);
  const std::vector<std::optional<Member>> found = MembersNamed(set.members, names);
  CollectionWriter writer(set.members.rest().size() + names[0].size());
  writer.KeepRest(set.members);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names.IsFirst(i) && !found[i].has_value()) writer.Add(names[i]);
  }
  const size_t added = writer.size() - set.members.size();
  if (added > 0 && !StoreCollection(call, set, &writer)) return;
  call.reply.Integer(static_cast<int64_t>(added));
}

void RunSIsMember(Call& call) { AnswerNamed(call, ValueType::kSet, AnswerWhether); }
void RunSMIsMember(Call& call) { AnswerEachNamed(call, ValueType::kSet, AnswerWhether); }

void RunSMembers(Call& call) {
  const CollectionValue set = FindSet(call);
  if (set.refused) return;
  call.reply.Set(set.members.size());
  CollectionReader members = set.members;
  for (Member member; members.Next(&member);) call.reply.Bulk(member.name);
}

// SPOP key [count]
void RunSPop(Call& call) {
  if (call.size() > 3) return call.reply.Error(kSyntax);
  const bool many = call.size() == 3;
  size_t count = 1;
  if (many && !ExpectCount(call, call[2], &count)) return;
  const CollectionValue set = LoadCollection(call, ValueType::kSet);
  if (set.refused) return;
  if (!many && !set.there) return call.reply.Null();
  CollectionWriter left(set.members.rest().size());
  const std::vector<std::string_view> drawn = Drawn(set.members, count, &left);
  if (many) call.reply.Set(drawn.size());
  for (const std::string_view name : drawn) call.reply.Bulk(name);
  if (!drawn.empty()) (void)StoreCollection(call, set, &left);
}

// `count` times any of the members: the same may come again.
void AnswerAnyOf(Call& call, CollectionReader members, uint64_t count) {
  std::vector<std::string_view> names;
  size_t longest = 0;
  for (Member member; members.Next(&member);) {
    names.push_back(member.name);
    longest = std::max(longest, member.encoded.size());
  }
  // A small command must not ask for more than there is memory for.
  constexpr size_t kAround = 8;
  if (count > kStringMax / (longest + kAround)) {
    return call.reply.Error("ERR value is out of range, the reply would be too long");
  }
  call.reply.Array(count);
  for (uint64_t i = 0; i < count; ++i) call.reply.Bulk(names[RandomBelow(names.size())]);
}

// SRANDMEMBER key [count]; a negative count: that many, which need not differ.
void RunSRandMember(Call& call) {
  if (call.size() > 3) return call.reply.Error(kSyntax);
  const bool many = call.size() == 3;
  int64_t count = 1;
  if (many && !ExpectInteger(call, call[2], &count)) return;
  if (count == INT64_MIN) {
    return call.reply.Error(
        "ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807");
  }
  const CollectionValue set = FindSet(call);
  if (set.refused) return;
  if (!set.there && !many) return call.reply.Null();
  if (count < 0 && set.there) {
    return AnswerAnyOf(call, set.members, static_cast<uint64_t>(-count));
  }
  CollectionWriter left;
  const auto drawn = Drawn(set.members, static_cast<size_t>(std::max<int64_t>(count, 0)), &left);
  if (many) call.reply.Array(drawn.size());
  for (const std::string_view name : drawn) call.reply.Bulk(name);
}

void RunSRem(Call& call) { RemoveNamed(call, ValueType::kSet); }
void RunSCard(Call& call) { AnswerSize(call, ValueType::kSet); }
void RunSScan(Call& call) { ScanMembers(call, ValueType::kSet); }

constexpr auto kGets = kReadOnly | kFast;

constexpr Command kCommands[] = {
    {"sadd", -3, kWrite | kDenyOom | kFast, 1, 1, 1, RunSAdd, "set", "1.0.0", "Adds members"},
    {"scard", 2, kGets, 1, 1, 1, RunSCard, "set", "1.0.0", "How many members there are"},
    {"sismember", 3, kGets, 1, 1, 1, RunSIsMember, "set", "1.0.0", "Whether it is a member"},
    {"smembers", 2, kReadOnly, 1, 1, 1, RunSMembers, "set", "1.0.0", "All members"},
    {"smismember", -3, kGets, 1, 1, 1, RunSMIsMember, "set", "6.2.0", "Which of them are members"},
    {"spop", -2, kWrite | kFast, 1, 1, 1, RunSPop, "set", "1.0.0", "Takes out any members"},
    {"srandmember", -2, kReadOnly, 1, 1, 1, RunSRandMember, "set", "1.0.0", "Any members"},
    {"srem", -3, kWrite | kFast, 1, 1, 1, RunSRem, "set", "1.0.0", "Removes members"},
    {"sscan", -3, kReadOnly, 1, 1, 1, RunSScan, "set", "2.8.0",
     "The members that match a pattern, all at once"},
};

}  // namespace

std::span<const Command> SetCommands() { return kCommands; }

}  // namespace onced::redis

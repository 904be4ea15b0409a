// SPDX-License-Identifier: MIT
// The commands on lists: elements in a row, with a head and a tail.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/collection_values.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

enum class Side : uint8_t { kHead, kTail };

CollectionValue LoadList(Call& call) { return LoadCollection(call, ValueType::kList); }
CollectionValue FindList(Call& call) { return FindCollection(call, ValueType::kList); }

void Skip(CollectionReader* elements, size_t count) {
  Member passed;
  for (size_t i = 0; i < count; ++i) (void)elements->Next(&passed);
}

void AnswerLength(Call& call, const CollectionWriter& writer) {
  call.reply.Integer(static_cast<int64_t>(writer.size()));
}

// The place that an index means, which counts from the end when it is negative.
std::optional<size_t> PlaceOf(int64_t index, size_t size) {
  const Places place = PlacesOf(index, index, size);
  return place.size() == 0 ? std::nullopt : std::optional(place.begin);
}

void Push(Call& call, Side side, bool onto_nothing) {
  const CollectionValue list = LoadList(call);
  if (list.refused) return;
  if (!list.there && !onto_nothing) return call.reply.Integer(0);
  CollectionWriter writer(list.members.rest().size() + call[2].size());
  if (side == Side::kHead) {
    for (size_t i = call.size(); i > 2; --i) writer.Add(call[i - 1]);
  }
  writer.KeepRest(list.members);
  if (side == Side::kTail) {
    for (size_t i = 2; i < call.size(); ++i) writer.Add(call[i]);
  }
  if (StoreCollection(call, list, &writer)) AnswerLength(call, writer);
}

void RunLPush(Call& call) { Push(call, Side::kHead, /*onto_nothing=*/true); }
void RunRPush(Call& call) { Push(call, Side::kTail, /*onto_nothing=*/true); }
void RunLPushX(Call& call) { Push(call, Side::kHead, /*onto_nothing=*/false); }
void RunRPushX(Call& call) { Push(call, Side::kTail, /*onto_nothing=*/false); }

// LPOP key [count]
void Pop(Call& call, Side side) {
  if (call.size() > 3) {
    return call.reply.Error("ERR wrong number of arguments for '" + call.command.FullName() +
                            "' command");
  }
  const bool many = call.size() == 3;
  size_t count = 1;
  if (many && !ExpectCount(call, call[2], &count)) return;
  const CollectionValue list = LoadList(call);
  if (list.refused) return;
  if (!list.there) return many ? call.reply.NullArray() : call.reply.Null();
  const size_t taken = std::min(count, list.members.size());
  const size_t first = side == Side::kHead ? 0 : list.members.size() - taken;
  std::vector<std::string_view> elements;
  CollectionReader members = list.members;
  CollectionWriter writer(members.rest().size());
  Member member;
  for (size_t i = 0; i < first + taken && members.Next(&member); ++i) {
    i < first ? writer.Keep(member) : elements.push_back(member.name);
  }
  writer.KeepRest(members);
  if (side == Side::kTail) std::reverse(elements.begin(), elements.end());
  if (many) call.reply.Array(elements.size());
  for (const std::string_view element : elements) call.reply.Bulk(element);
  if (taken > 0) (void)StoreCollection(call, list, &writer);
}

void RunLPop(Call& call) { Pop(call, Side::kHead); }
void RunRPop(Call& call) { Pop(call, Side::kTail); }

void RunLRange(Call& call) {
  int64_t start = 0;
  int64_t stop = 0;
  if (!ExpectStartAndStop(call, &start, &stop)) return;
  const CollectionValue list = FindList(call);
  if (list.refused) return;
  const Places places = PlacesOf(start, stop, list.members.size());
  CollectionReader members = list.members;
  Skip(&members, places.begin);
  call.reply.Array(places.size());
  Member member;
  for (size_t i = 0; i < places.size() && members.Next(&member); ++i) call.reply.Bulk(member.name);
}

void RunLTrim(Call& call) {
  int64_t start = 0;
  int64_t stop = 0;
  if (!ExpectStartAndStop(call, &start, &stop)) return;
  const CollectionValue list = LoadList(call);
  if (list.refused) return;
  const Places places = PlacesOf(start, stop, list.members.size());
  CollectionReader members = list.members;
  Skip(&members, places.begin);
  CollectionWriter writer(members.rest().size());
  Member member;
  for (size_t i = 0; i < places.size() && members.Next(&member); ++i) writer.Keep(member);
  if (list.there) (void)StoreCollection(call, list, &writer);
  call.reply.Ok();
}

void RunLIndex(Call& call) {
  const CollectionValue list = FindList(call);
  if (list.refused) return;
  if (!list.there) return call.reply.Null();
  int64_t index = 0;
  if (!ExpectInteger(call, call[2], &index)) return;
  const std::optional<size_t> place = PlaceOf(index, list.members.size());
  if (!place.has_value()) return call.reply.Null();
  CollectionReader members = list.members;
  Skip(&members, *place);
  Member member;
  (void)members.Next(&member);
  call.reply.Bulk(member.name);
}

void RunLSet(Call& call) {
  const CollectionValue list = LoadList(call);
  if (list.refused) return;
  if (!list.there) return call.reply.Error("ERR no such key");
  int64_t index = 0;
  if (!ExpectInteger(call, call[2], &index)) return;
  const std::optional<size_t> place = PlaceOf(index, list.members.size());
  if (!place.has_value()) return call.reply.Error("ERR index out of range");
  CollectionReader members = list.members;
  CollectionWriter writer(members.rest().size() + call[3].size());
  Member member;
  for (size_t i = 0; i < *place && members.Next(&member); ++i) writer.Keep(member);
  writer.Add(call[3]);
  Skip(&members, 1);
  writer.KeepRest(members);
  if (StoreCollection(call, list, &writer)) call.reply.Ok();
}

// LINSERT key BEFORE|AFTER pivot element
void RunLInsert(Call& call) {
  const bool before = Is(call[2], "before");
  if (!before && !Is(call[2], "after")) return call.reply.Error(kSyntax);
  const CollectionValue list = LoadList(call);
  if (list.refused) return;
  if (!list.there) return call.reply.Integer(0);
  CollectionReader members = list.members;
  CollectionWriter writer(members.rest().size() + call[4].size());
  for (Member member; members.Next(&member);) {
    if (member.name != call[3]) {
      writer.Keep(member);
      continue;
    }
    if (before) writer.Add(call[4]);
    writer.Keep(member);
    if (!before) writer.Add(call[4]);
    writer.KeepRest(members);
    if (StoreCollection(call, list, &writer)) AnswerLength(call, writer);
    return;
  }
  call.reply.Integer(-1);
}

// LREM key count element: of those from the head, or with a negative count from the tail; 0 is all.
void RunLRem(Call& call) {
  int64_t count = 0;
  if (!ExpectInteger(call, call[2], &count)) return;
  const CollectionValue list = LoadList(call);
  if (list.refused) return;
  size_t equal = 0;
  CollectionReader members = list.members;
  for (Member member; members.Next(&member);) equal += member.name == call[3] ? 1 : 0;
  if (equal == 0) return call.reply.Integer(0);
  const Places gone = count > 0   ? PlacesOf(0, count - 1, equal)
                      : count < 0 ? PlacesOf(count, -1, equal)
                                  : PlacesOf(0, -1, equal);
  members = list.members;
  CollectionWriter writer(members.rest().size());
  size_t met = 0;
  for (Member member; members.Next(&member);) {
    const bool goes = member.name == call[3] && gone.Hold(met++);
    if (!goes) writer.Keep(member);
  }
  if (StoreCollection(call, list, &writer)) call.reply.Integer(static_cast<int64_t>(gone.size()));
}

void RunLLen(Call& call) { AnswerSize(call, ValueType::kList); }

constexpr auto kPushes = kWrite | kDenyOom | kFast;

constexpr Command kCommands[] = {
    {"lindex", 3, kReadOnly, 1, 1, 1, RunLIndex, "list", "1.0.0", "The element at a place"},
    {"linsert", 5, kWrite | kDenyOom, 1, 1, 1, RunLInsert, "list", "2.2.0",
     "Inserts an element before or after another"},
    {"llen", 2, kReadOnly | kFast, 1, 1, 1, RunLLen, "list", "1.0.0",
     "How many elements there are"},
    {"lpop", -2, kWrite | kFast, 1, 1, 1, RunLPop, "list", "1.0.0", "Takes elements off the head"},
    {"lpush", -3, kPushes, 1, 1, 1, RunLPush, "list", "1.0.0", "Adds elements at the head"},
    {"lpushx", -3, kPushes, 1, 1, 1, RunLPushX, "list", "2.2.0",
     "Adds elements at the head of a list that is there"},
    {"lrange", 4, kReadOnly, 1, 1, 1, RunLRange, "list", "1.0.0", "The elements of some places"},
    {"lrem", 4, kWrite, 1, 1, 1, RunLRem, "list", "1.0.0", "Removes equal elements"},
    {"lset", 4, kWrite | kDenyOom, 1, 1, 1, RunLSet, "list", "1.0.0",
     "Sets the element at a place"},
    {"ltrim", 4, kWrite, 1, 1, 1, RunLTrim, "list", "1.0.0",
     "Removes all but those of some places"},
    {"rpop", -2, kWrite | kFast, 1, 1, 1, RunRPop, "list", "1.0.0", "Takes elements off the tail"},
    {"rpush", -3, kPushes, 1, 1, 1, RunRPush, "list", "1.0.0", "Adds elements at the tail"},
    {"rpushx", -3, kPushes, 1, 1, 1, RunRPushX, "list", "2.2.0",
     "Adds elements at the tail of a list that is there"},
};

}  // namespace

std::span<const Command> ListCommands() { return kCommands; }

}  // namespace onced::redis

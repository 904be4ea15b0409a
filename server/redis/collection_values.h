// SPDX-License-Identifier: MIT
// CollectionValues: how commands come by the collection of a key, and what those of several types
// do alike with one.
//
// Threads: the door's one.
// Invariants: 1. A collection that would be empty is erased. 2. One that would be too large is
// answered with an error, and nothing has changed. 3. A key's time of death stays what it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/redis/collection.h"
#include "server/redis/command.h"

namespace onced::redis {

struct CollectionValue {
  ValueType type = ValueType::kHash;
  CollectionReader members;  // none where there is no key; until the next call on the data
  int64_t dead_at_ms = kNeverMs;
  bool there = false;
  bool refused = false;  // it is of another type, and that is answered
};

// Of the key of the command, which is its first argument.
CollectionValue LoadCollection(Call& call, ValueType type);
CollectionValue FindCollection(Call& call, ValueType type);  // counted as a hit or a miss

// The collection becomes what was written; false: it is too large, which is answered.
bool StoreCollection(Call& call, const CollectionValue& value, CollectionWriter* writer);

// The members that a command names, so that one walk over a collection finds them all however many
// they are.
class Wanted {
 public:
  // arguments[from], arguments[from + step], and so on.
  Wanted(Arguments arguments, size_t from, size_t step = 1);

  // How many were named, those that were named twice counted twice.
  size_t size() const { return names_.size(); }
  std::string_view operator[](size_t i) const { return names_[i]; }
  // Where `name` was first named; size(): nowhere.
  size_t Find(std::string_view name) const;
  bool IsFirst(size_t i) const { return Find(names_[i]) == i; }

 private:
  std::vector<std::string_view> names_;
  std::vector<uint32_t> by_name_;  // of each name its first place, in the order of the names
};

std::optional<Member> MemberNamed(const CollectionReader& members, std::string_view name);
// For each of `wanted`, where it was first named.
std::vector<std::optional<Member>> MembersNamed(CollectionReader members, const Wanted& wanted);

// The places of `start` to `stop`, which count from the end when they are negative.
struct Places {
  size_t begin = 0;
  size_t end = 0;  // behind the last
  size_t size() const { return end - begin; }
  bool Hold(size_t at) const { return begin <= at && at < end; }
};
Places PlacesOf(int64_t start, int64_t stop, size_t size);

// Each answers with an error, and is false, when it is given what is none.
bool ExpectCount(Call& call, std::string_view text, size_t* count);  // of members; may be 0
bool ExpectStartAndStop(Call& call, int64_t* start, int64_t* stop);  // NAME key start stop

// How one member is answered; nullopt: there is none of the name.
using AnswerMember = void (*)(Reply& reply, const std::optional<Member>& found);
void AnswerWhether(Reply& reply, const std::optional<Member>& found);  // 1 or 0
// NAME key member
void AnswerNamed(Call& call, ValueType type, AnswerMember answer);
// NAME key member [member ...]: an array.
void AnswerEachNamed(Call& call, ValueType type, AnswerMember answer);
// NAME key
void AnswerSize(Call& call, ValueType type);
void RemoveNamed(Call& call, ValueType type);  // NAME key member [member ...]
// NAME key cursor [MATCH pattern] [COUNT count]: all of it at once, it is small enough.
void ScanMembers(Call& call, ValueType type);

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
#include "server/redis/collection_values.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "server/redis/argument.h"
#include "server/redis/glob.h"
#include "server/redis/interpreter.h"
#include "server/redis/reply.h"
#include "server/redis/scan_terms.h"

namespace onced::redis {
namespace {

CollectionValue Judged(Call& call, ValueType type, const Entry* entry) {
  CollectionValue value{.type = type};
  if (entry == nullptr) return value;
  value.there = true;
  value.dead_at_ms = entry->dead_at_ms;
  value.refused = true;
  if (entry->type != type) {
    call.reply.Error(kWrongType);
  } else if (!IsCollection(type, entry->bytes)) {
    call.reply.Error("ERR the collection that is kept under this key is damaged");
  } else {
    value.refused = false;
    value.members = CollectionReader(type, entry->bytes);
  }
  return value;
}

// What a scan gives of a member.
size_t AnswersEach(ValueType type) {
  return type == ValueType::kHash || type == ValueType::kSortedSet ? 2 : 1;
}

}  // namespace

CollectionValue LoadCollection(Call& call, ValueType type) {
  return Judged(call, type, call.data.Load(call.db(), call[1]));
}

CollectionValue FindCollection(Call& call, ValueType type) {
  return Judged(call, type, call.data.Find(call.db(), call[1]));
}

bool StoreCollection(Call& call, const CollectionValue& value, CollectionWriter* writer) {
  if (writer->size() == 0) {
    (void)call.data.Erase(call.db(), call[1]);
    return true;
  }
  const std::string_view bytes = writer->Finish();
  if (bytes.size() > kCollectionMax) {
    call.reply.Error("ERR the value would be " + std::to_string(bytes.size()) +
                     " bytes long, a collection is at most " + std::to_string(kCollectionMax) +
                     " bytes");
    return false;
  }
  call.data.Put(call.db(), call[1], value.type, value.dead_at_ms, bytes);
  return true;
}

Wanted::Wanted(Arguments arguments, size_t from, size_t step) {
  names_.reserve((arguments.size() - from + step - 1) / step);
  for (size_t i = from; i < arguments.size(); i += step) names_.push_back(arguments[i]);
  by_name_.resize(names_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [this](uint32_t a, uint32_t b) {
    return names_[a] != names_[b] ? names_[a] < names_[b] : a < b;
  });
  const auto same = [this](uint32_t a, uint32_t b) { return names_[a] == names_[b]; };
  by_name_.erase(std::unique(by_name_.begin(), by_name_.end(), same), by_name_.end());
}

size_t Wanted::Find(std::string_view name) const {
  if (size() == 1) return names_[0] == name ? 0 : 1;  // what most commands want
  const auto at =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [this](uint32_t i, std::string_view one) { return names_[i] < one; });
  return at != by_name_.end() && names_[*at] == name ? *at : size();
}

std::optional<Member> MemberNamed(const CollectionReader& members, std::string_view name) {
  CollectionReader reader = members;
  for (Member member; reader.Next(&member);) {
    if (member.name == name) return member;
  }
  return std::nullopt;
}

std::vector<std::optional<Member>> MembersNamed(CollectionReader members, const Wanted& wanted) {
  std::vector<std::optional<Member>> found(wanted.size());
  for (Member member; members.Next(&member);) {
    const size_t at = wanted.Find(member.name);
    if (at < found.size()) found[at] = member;
  }
  return found;
}

Places PlacesOf(int64_t start, int64_t stop, size_t size) {
  const auto count = static_cast<int64_t>(size);
  if (start < 0) start = std::max<int64_t>(start + count, 0);
  if (stop < 0) stop += count;
  stop = std::min(stop, count - 1);
  if (start > stop) return {};
  return {.begin = static_cast<size_t>(start), .end = static_cast<size_t>(stop) + 1};
}

bool ExpectCount(Call& call, std::string_view text, size_t* count) {
  int64_t number = 0;
  if (ReadInteger(text, &number) && number >= 0) {
    *count = static_cast<size_t>(number);
    return true;
  }
  call.reply.Error("ERR value is out of range, must be positive");
  return false;
}

bool ExpectStartAndStop(Call& call, int64_t* start, int64_t* stop) {
  return ExpectInteger(call, call[2], start) && ExpectInteger(call, call[3], stop);
}

void AnswerWhether(Reply& reply, const std::optional<Member>& found) {
  reply.Integer(found.has_value() ? 1 : 0);
}

void AnswerNamed(Call& call, ValueType type, AnswerMember answer) {
  const CollectionValue value = FindCollection(call, type);
  if (!value.refused) answer(call.reply, MemberNamed(value.members, call[2]));
}

void AnswerEachNamed(Call& call, ValueType type, AnswerMember answer) {
  const CollectionValue value = FindCollection(call, type);
  if (value.refused) return;
  const Wanted wanted(call.arguments, 2);
  const std::vector<std::optional<Member>> found = MembersNamed(value.members, wanted);
  call.reply.Array(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) answer(call.reply, found[wanted.Find(wanted[i])]);
}

void AnswerSize(Call& call, ValueType type) {
  const CollectionValue value = FindCollection(call, type);
  if (!value.refused) call.reply.Integer(static_cast<int64_t>(value.members.size()));
}

void RemoveNamed(Call& call, ValueType type) {
  const CollectionValue value = LoadCollection(call, type);
  if (value.refused) return;
  const Wanted wanted(call.arguments, 2);
  CollectionReader members = value.members;
  CollectionWriter writer(members.rest().size());
  for (Member member; members.Next(&member);) {
    if (wanted.Find(member.name) == wanted.size()) writer.Keep(member);
  }
  const size_t removed = value.members.size() - writer.size();
  if (removed > 0 && !StoreCollection(call, value, &writer)) return;
  call.reply.Integer(static_cast<int64_t>(removed));
}

void ScanMembers(Call& call, ValueType type) {
  uint64_t cursor = 0;
  if (!ExpectCursor(call, call[2], &cursor)) return;
  const CollectionValue value = FindCollection(call, type);
  if (value.refused) return;
  ScanTerms terms;
  if (value.there && !ExpectScanTerms(call, 3, /*with_type=*/false, &terms)) return;
  std::vector<Member> shown;
  CollectionReader members = value.members;
  for (Member member; members.Next(&member);) {
    if (GlobMatches(terms.pattern, member.name)) shown.push_back(member);
  }
  call.reply.Array(2);
  call.reply.Bulk("0");
  call.reply.Array(shown.size() * AnswersEach(type));
  for (const Member& member : shown) {
    call.reply.Bulk(member.name);
    if (type == ValueType::kHash) call.reply.Bulk(member.value);
    if (type == ValueType::kSortedSet) call.reply.Bulk(ScoreText(member.score));
  }
}

}  // namespace onced::redis

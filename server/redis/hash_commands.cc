// SPDX-License-Identifier: MIT
// The commands on hashes: values under the fields of a key.
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/collection_values.h"
#include "server/redis/interpreter.h"
#include "server/redis/reply.h"

namespace onced::redis {
namespace {

CollectionValue LoadHash(Call& call) { return LoadCollection(call, ValueType::kHash); }
CollectionValue FindHash(Call& call) { return FindCollection(call, ValueType::kHash); }

void AnswerValue(Reply& reply, const std::optional<Member>& found) {
  found.has_value() ? reply.Bulk(found->value) : reply.Null();
}

// The fields become these values, each that of the place where it was first named; how many of the
// fields are new. nullopt: answered.
std::optional<size_t> PutFields(Call& call, const CollectionValue& hash, const Wanted& fields,
                                const std::vector<std::string_view>& values) {
  std::vector<bool> is_put(fields.size());
  CollectionReader members = hash.members;
  CollectionWriter writer(members.rest().size() + values[0].size());
  for (Member member; members.Next(&member);) {
    const size_t at = fields.Find(member.name);
    if (at == fields.size()) {
      writer.Keep(member);
    } else {
      writer.Add(member.name, values[at]);
      is_put[at] = true;
    }
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!is_put[i] && fields.IsFirst(i)) writer.Add(fields[i], values[i]);
  }
  const size_t added = writer.size() - hash.members.size();
  if (!StoreCollection(call, hash, &writer)) return std::nullopt;
  return added;
}

// The field that the command names becomes `value`; false: answered.
bool PutField(Call& call, const CollectionValue& hash, std::string_view value) {
  return PutFields(call, hash, Wanted(call.arguments.subspan(2, 1), 0), {value}).has_value();
}

// HSET key field value [field value ...]
std::optional<size_t> SetFields(Call& call) {
  if (call.size() % 2 == 1) {
    call.reply.Error("ERR wrong number of arguments for '" + call.command.FullName() + "' command");
    return std::nullopt;
  }
  const CollectionValue hash = LoadHash(call);
  if (hash.refused) return std::nullopt;
  const Wanted fields(call.arguments, 2, 2);
  // Where a field is named twice, the last value counts.
  std::vector<std::string_view> values(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) values[fields.Find(fields[i])] = call[3 + 2 * i];
  return PutFields(call, hash, fields, values);
}

void RunHSet(Call& call) {
  const std::optional<size_t> added = SetFields(call);
  if (added.has_value()) call.reply.Integer(static_cast<int64_t>(*added));
}

void RunHMSet(Call& call) {
  if (SetFields(call).has_value()) call.reply.Ok();
}

void RunHSetNx(Call& call) {
  const CollectionValue hash = LoadHash(call);
  if (hash.refused) return;
  const bool absent = !MemberNamed(hash.members, call[2]).has_value();
  if (absent && !PutField(call, hash, call[3])) return;
  call.reply.Integer(absent ? 1 : 0);
}

void RunHGet(Call& call) { AnswerNamed(call, ValueType::kHash, AnswerValue); }

void RunHMGet(Call& call) { AnswerEachNamed(call, ValueType::kHash, AnswerValue); }

void RunHStrLen(Call& call) {
  AnswerNamed(call, ValueType::kHash, [](Reply& reply, const std::optional<Member>& found) {
    reply.Integer(found.has_value() ? static_cast<int64_t>(found->value.size()) : 0);
  });
}

void RunHExists(Call& call) { AnswerNamed(call, ValueType::kHash, AnswerWhether); }

void RunHGetAll(Call& call) {
  const CollectionValue hash = FindHash(call);
  if (hash.refused) return;
  call.reply.Map(hash.members.size());
  CollectionReader members = hash.members;
  for (Member member; members.Next(&member);) {
    call.reply.Bulk(member.name);
    call.reply.Bulk(member.value);
  }
}

void AnswerParts(Call& call, std::string_view Member::*part) {
  const CollectionValue hash = FindHash(call);
  if (hash.refused) return;
  call.reply.Array(hash.members.size());
  CollectionReader members = hash.members;
  for (Member member; members.Next(&member);) call.reply.Bulk(member.*part);
}

void RunHKeys(Call& call) { AnswerParts(call, &Member::name); }
void RunHVals(Call& call) { AnswerParts(call, &Member::value); }

void RunHIncrBy(Call& call) {
  int64_t amount = 0;
  if (!ExpectInteger(call, call[3], &amount)) return;
  const CollectionValue hash = LoadHash(call);
  if (hash.refused) return;
  int64_t number = 0;
  const std::optional<Member> found = MemberNamed(hash.members, call[2]);
  if (found.has_value() && !ReadInteger(found->value, &number)) {
    return call.reply.Error("ERR hash value is not an integer");
  }
  if (__builtin_add_overflow(number, amount, &number)) {
    return call.reply.Error("ERR increment or decrement would overflow");
  }
  if (PutField(call, hash, std::to_string(number))) call.reply.Integer(number);
}

void RunHIncrByFloat(Call& call) {
  long double amount = 0;
  if (!ReadFloat(call[3], &amount)) return call.reply.Error("ERR value is not a valid float");
  if (std::isinf(amount)) return call.reply.Error("ERR value is NaN or Infinity");
  const CollectionValue hash = LoadHash(call);
  if (hash.refused) return;
  long double number = 0;
  const std::optional<Member> found = MemberNamed(hash.members, call[2]);
  if (found.has_value() && !ReadFloat(found->value, &number)) {
    return call.reply.Error("ERR hash value is not a float");
  }
  number += amount;
  if (std::isnan(number) || std::isinf(number)) {
    return call.reply.Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = FloatText(number);
  if (PutField(call, hash, text)) call.reply.Bulk(text);
}

void RunHDel(Call& call) { RemoveNamed(call, ValueType::kHash); }
void RunHLen(Call& call) { AnswerSize(call, ValueType::kHash); }
void RunHScan(Call& call) { ScanMembers(call, ValueType::kHash); }

constexpr auto kSets = kWrite | kDenyOom | kFast;
constexpr auto kGets = kReadOnly | kFast;

constexpr Command kCommands[] = {
    {"hdel", -3, kWrite | kFast, 1, 1, 1, RunHDel, "hash", "2.0.0", "Removes fields"},
    {"hexists", 3, kGets, 1, 1, 1, RunHExists, "hash", "2.0.0", "Whether there is such a field"},
    {"hget", 3, kGets, 1, 1, 1, RunHGet, "hash", "2.0.0", "The value of a field"},
    {"hgetall", 2, kReadOnly, 1, 1, 1, RunHGetAll, "hash", "2.0.0", "All fields and their values"},
    {"hincrby", 4, kSets, 1, 1, 1, RunHIncrBy, "hash", "2.0.0", "Adds to the number of a field"},
    {"hincrbyfloat", 4, kSets, 1, 1, 1, RunHIncrByFloat, "hash", "2.6.0",
     "Adds to the number of a field, with a fraction"},
    {"hkeys", 2, kReadOnly, 1, 1, 1, RunHKeys, "hash", "2.0.0", "All fields"},
    {"hlen", 2, kGets, 1, 1, 1, RunHLen, "hash", "2.0.0", "How many fields there are"},
    {"hmget", -3, kGets, 1, 1, 1, RunHMGet, "hash", "2.0.0", "The values of several fields"},
    {"hmset", -4, kSets, 1, 1, 1, RunHMSet, "hash", "2.0.0", "Sets several fields"},
    {"hscan", -3, kReadOnly, 1, 1, 1, RunHScan, "hash", "2.8.0",
     "The fields that match a pattern and their values, all at once"},
    {"hset", -4, kSets, 1, 1, 1, RunHSet, "hash", "2.0.0", "Sets fields"},
    {"hsetnx", 4, kSets, 1, 1, 1, RunHSetNx, "hash", "2.0.0", "Sets a field that is not there"},
    {"hstrlen", 3, kGets, 1, 1, 1, RunHStrLen, "hash", "3.2.0", "The length of a field's value"},
    {"hvals", 2, kReadOnly, 1, 1, 1, RunHVals, "hash", "2.0.0", "All values"},
};

}  // namespace

std::span<const Command> HashCommands() { return kCommands; }

}  // namespace onced::redis

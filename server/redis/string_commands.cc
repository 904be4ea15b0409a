// SPDX-License-Identifier: MIT
// The commands on strings: those that set and get, with their conditions.
#include <xxhash.h>

#include <array>
#include <cstdio>
#include <optional>

#include "server/redis/argument.h"
#include "server/redis/expiry.h"
#include "server/redis/interpreter.h"
#include "server/redis/string_values.h"

namespace onced::redis {
namespace {

// What a value must be for a write to happen.
enum class Condition : uint8_t { kNone, kAbsent, kPresent, kEqual, kNotEqual, kDigest, kNotDigest };

struct SetTerms {
  Condition condition = Condition::kNone;
  std::string_view operand;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  std::optional<TimeWord> time_word;
  std::string_view time;
};

std::string DigestOf(std::string_view value) {
  std::array<char, 17> hex;
  std::snprintf(hex.data(), hex.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(value.data(), value.size())));
  return {hex.data(), 16};
}

std::optional<Condition> ReadComparison(std::string_view word) {
  if (Is(word, "ifeq")) return Condition::kEqual;
  if (Is(word, "ifne")) return Condition::kNotEqual;
  if (Is(word, "ifdeq")) return Condition::kDigest;
  if (Is(word, "ifdne")) return Condition::kNotDigest;
  return std::nullopt;
}

bool SameDigest(std::string_view digest, std::string_view value) {
  const std::string own = DigestOf(value);
  return digest.size() == own.size() && std::equal(own.begin(), own.end(), digest.begin(),
                                                   [](char a, char b) { return a == LowerOf(b); });
}

// Whether `condition` holds for what is there; nullptr: nothing is.
bool Holds(Condition condition, std::string_view operand, const Entry* entry) {
  switch (condition) {
    case Condition::kNone:
      return true;
    case Condition::kAbsent:
      return entry == nullptr;
    case Condition::kPresent:
      return entry != nullptr;
    case Condition::kEqual:
      return entry != nullptr && entry->bytes == operand;
    case Condition::kNotEqual:
      return entry == nullptr || entry->bytes != operand;
    case Condition::kDigest:
      return entry != nullptr && SameDigest(operand, entry->bytes);
    case Condition::kNotDigest:
      return entry == nullptr || !SameDigest(operand, entry->bytes);
  }
  return false;
}

bool Compares(Condition condition) { return condition >= Condition::kEqual; }

// The options behind a SET, a GETEX or an MSETEX; false: answered.
class SetOptions {
 public:
  SetOptions(Call& call, size_t from) : call_(call), at_(from) {}

  enum Allowed : uint8_t {
    kConditions = 1,
    kComparisons = 2,
    kGet = 4,
    kKeepTtl = 8,
    kPersist = 16
  };

  bool Read(uint8_t allowed, SetTerms* terms) {
    for (; at_ < call_.size(); ++at_) {
      if (!ReadOne(allowed, terms)) {
        call_.reply.Error(kSyntax);
        return false;
      }
    }
    return true;
  }

 private:
  bool ReadOne(uint8_t allowed, SetTerms* terms) {
    const std::string_view word = call_[at_];
    if (const std::optional<TimeWord> time = ReadTimeWord(word)) {
      // The same word may come again; then its last number counts, as it does for Redis.
      const bool other = terms->time_word.has_value() && terms->time_word != time;
      if (other || terms->keep_ttl || terms->persist || at_ + 1 >= call_.size()) return false;
      terms->time_word = time;
      terms->time = call_[++at_];
      return true;
    }
    if (Is(word, "keepttl")) {
      terms->keep_ttl = true;
      return (allowed & kKeepTtl) != 0 && !terms->time_word.has_value();
    }
    if (Is(word, "persist")) {
      terms->persist = true;
      return (allowed & kPersist) != 0 && !terms->time_word.has_value();
    }
    if (Is(word, "get")) {
      terms->get = true;
      return (allowed & kGet) != 0;
    }
    return ReadCondition(word, allowed, terms);
  }

  bool ReadCondition(std::string_view word, uint8_t allowed, SetTerms* terms) {
    Condition condition = Condition::kNone;
    if (Is(word, "nx")) condition = Condition::kAbsent;
    if (Is(word, "xx")) condition = Condition::kPresent;
    if (condition != Condition::kNone) {
      const bool again = terms->condition == condition;
      const bool free = terms->condition == Condition::kNone || again;
      terms->condition = condition;
      return (allowed & kConditions) != 0 && free;
    }
    const std::optional<Condition> comparison = ReadComparison(word);
    if ((allowed & kComparisons) == 0 || !comparison.has_value() || at_ + 1 >= call_.size() ||
        terms->condition != Condition::kNone) {
      return false;
    }
    terms->condition = *comparison;
    terms->operand = call_[++at_];
    return true;
  }

  Call& call_;
  size_t at_;
};

void RunSetWith(Call& call, const SetTerms& terms, std::string_view value) {
  int64_t dead_at_ms = kNeverMs;
  if (terms.time_word.has_value()) {
    const std::optional<int64_t> death = ExpectDeath(call, *terms.time_word, terms.time);
    if (!death.has_value()) return;
    dead_at_ms = *death;
  }
  const bool looks = terms.condition != Condition::kNone || terms.keep_ttl;
  const Entry* entry = nullptr;  // what is there, where that matters
  if (terms.get) {
    entry = call.data.Find(call.db(), call[1]);
  } else if (looks) {
    entry = call.data.Load(call.db(), call[1]);
  }
  if (entry != nullptr && entry->type != ValueType::kString &&
      (terms.get || Compares(terms.condition))) {
    return call.reply.Error(kWrongType);
  }
  const bool holds = Holds(terms.condition, terms.operand, entry);
  if (holds && terms.keep_ttl && entry != nullptr) dead_at_ms = entry->dead_at_ms;
  if (terms.get) {
    entry == nullptr ? call.reply.Null() : call.reply.Bulk(entry->bytes);
  } else {
    holds ? call.reply.Ok() : call.reply.Null();
  }
  if (holds) call.data.Put(call.db(), call[1], ValueType::kString, dead_at_ms, value);
}

void RunSet(Call& call) {
  SetTerms terms;
  using Options = SetOptions;
  constexpr auto kAllowed =
      Options::kConditions | Options::kComparisons | Options::kGet | Options::kKeepTtl;
  if (Options(call, 3).Read(kAllowed, &terms)) RunSetWith(call, terms, call[2]);
}

void RunSetEx(Call& call) {
  RunSetWith(call, {.time_word = TimeWord::kEx, .time = call[2]}, call[3]);
}

void RunPSetEx(Call& call) {
  RunSetWith(call, {.time_word = TimeWord::kPx, .time = call[2]}, call[3]);
}

void RunSetNx(Call& call) {
  const bool absent = call.data.Load(call.db(), call[1]) == nullptr;
  if (absent) call.data.Put(call.db(), call[1], ValueType::kString, kNeverMs, call[2]);
  call.reply.Integer(absent ? 1 : 0);
}

void RunGet(Call& call) {
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  value.entry == nullptr ? call.reply.Null() : call.reply.Bulk(value.entry->bytes);
}

void RunGetSet(Call& call) {
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  value.entry == nullptr ? call.reply.Null() : call.reply.Bulk(value.entry->bytes);
  call.data.Put(call.db(), call[1], ValueType::kString, kNeverMs, call[2]);
}

void RunGetDel(Call& call) {
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  if (value.entry == nullptr) return call.reply.Null();
  call.reply.Bulk(value.entry->bytes);
  (void)call.data.Erase(call.db(), call[1]);
}

void RunGetEx(Call& call) {
  SetTerms terms;
  if (!SetOptions(call, 2).Read(SetOptions::kPersist, &terms)) return;
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  if (value.entry == nullptr) return call.reply.Null();
  int64_t dead_at_ms = value.entry->dead_at_ms;
  if (terms.persist) dead_at_ms = kNeverMs;
  if (terms.time_word.has_value()) {
    const std::optional<int64_t> death = ExpectDeath(call, *terms.time_word, terms.time);
    if (!death.has_value()) return;
    dead_at_ms = *death;
  }
  call.reply.Bulk(value.entry->bytes);
  if (dead_at_ms == value.entry->dead_at_ms) return;
  const std::string kept(value.entry->bytes);
  call.data.Put(call.db(), call[1], ValueType::kString, dead_at_ms, kept);
}

void RunMGet(Call& call) {
  call.reply.Array(call.size() - 1);
  for (size_t i = 1; i < call.size(); ++i) {
    const Entry* const entry = call.data.Find(call.db(), call[i]);
    const bool shown = entry != nullptr && entry->type == ValueType::kString;
    shown ? call.reply.Bulk(entry->bytes) : call.reply.Null();
  }
}

bool ExpectPairs(Call& call) {
  if (call.size() % 2 == 1) return true;
  call.reply.Error("ERR wrong number of arguments for '" + call.command.FullName() + "' command");
  return false;
}

void RunMSet(Call& call) {
  if (!ExpectPairs(call)) return;
  for (size_t i = 1; i < call.size(); i += 2) {
    call.data.Put(call.db(), call[i], ValueType::kString, kNeverMs, call[i + 1]);
  }
  call.reply.Ok();
}

void RunMSetNx(Call& call) {
  if (!ExpectPairs(call)) return;
  for (size_t i = 1; i < call.size(); i += 2) {
    if (call.data.Load(call.db(), call[i]) != nullptr) return call.reply.Integer(0);
  }
  for (size_t i = 1; i < call.size(); i += 2) {
    call.data.Put(call.db(), call[i], ValueType::kString, kNeverMs, call[i + 1]);
  }
  call.reply.Integer(1);
}

// MSETEX numkeys key value [key value ...] [NX|XX] [EX|PX|EXAT|PXAT n|KEEPTTL]
void RunMSetEx(Call& call) {
  int64_t count = 0;
  if (!ReadInteger(call[1], &count) || count <= 0 || count > INT32_MAX) {
    return call.reply.Error("ERR invalid numkeys value");
  }
  const uint64_t end = 2 + 2 * static_cast<uint64_t>(count);
  if (end > call.size()) {
    return call.reply.Error("ERR wrong number of key-value pairs");
  }
  SetTerms terms;
  if (!SetOptions(call, end).Read(SetOptions::kConditions | SetOptions::kKeepTtl, &terms)) return;
  int64_t dead_at_ms = kNeverMs;
  if (terms.time_word.has_value()) {
    const std::optional<int64_t> death = ExpectDeath(call, *terms.time_word, terms.time);
    if (!death.has_value()) return;
    dead_at_ms = *death;
  }
  for (size_t i = 2; i < end; i += 2) {
    if (!Holds(terms.condition, "", call.data.Load(call.db(), call[i]))) {
      return call.reply.Integer(0);
    }
  }
  for (size_t i = 2; i < end; i += 2) {
    const Entry* const entry = terms.keep_ttl ? call.data.Load(call.db(), call[i]) : nullptr;
    const int64_t own = entry == nullptr ? dead_at_ms : entry->dead_at_ms;
    call.data.Put(call.db(), call[i], ValueType::kString, own, call[i + 1]);
  }
  call.reply.Integer(1);
}

void RunDelIfEq(Call& call) {
  const StringValue value = LoadString(call, call[1]);
  if (value.refused) return;
  const bool equal = Holds(Condition::kEqual, call[2], value.entry);
  call.reply.Integer(equal && call.data.Erase(call.db(), call[1]) ? 1 : 0);
}

// DELEX key [IFEQ v|IFNE v|IFDEQ d|IFDNE d]
void RunDelEx(Call& call) {
  if (call.size() == 2) return call.reply.Integer(call.data.Erase(call.db(), call[1]) ? 1 : 0);
  const std::optional<Condition> condition = ReadComparison(call[2]);
  if (call.size() != 4 || !condition.has_value()) return call.reply.Error(kSyntax);
  const StringValue value = LoadString(call, call[1]);
  if (value.refused) return;
  const bool goes = value.entry != nullptr && Holds(*condition, call[3], value.entry);
  call.reply.Integer(goes && call.data.Erase(call.db(), call[1]) ? 1 : 0);
}

void RunDigest(Call& call) {
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  value.entry == nullptr ? call.reply.Null() : call.reply.Bulk(DigestOf(value.entry->bytes));
}

void RunStrLen(Call& call) {
  const StringValue value = FindString(call, call[1]);
  if (value.refused) return;
  call.reply.Integer(value.entry == nullptr ? 0 : static_cast<int64_t>(value.entry->bytes.size()));
}

constexpr auto kSets = kWrite | kDenyOom;
constexpr auto kGets = kReadOnly | kFast;

constexpr Command kCommands[] = {
    {"append", 3, kSets | kFast, 1, 1, 1, RunAppend, "string", "2.0.0",
     "Appends to a string, or begins one"},
    {"decr", 2, kSets | kFast, 1, 1, 1, RunDecr, "string", "1.0.0", "Takes one from a number"},
    {"decrby", 3, kSets | kFast, 1, 1, 1, RunDecrBy, "string", "1.0.0", "Takes from a number"},
    {"delex", -2, kWrite | kFast, 1, 1, 1, RunDelEx, "string", "8.4.0",
     "Deletes a key, if a comparison of its string holds"},
    {"delifeq", 3, kWrite | kFast, 1, 1, 1, RunDelIfEq, "string", "9.0.0",
     "Deletes a key if it holds this string"},
    {"digest", 2, kGets, 1, 1, 1, RunDigest, "string", "8.4.0", "The XXH3 hash of a string"},
    {"get", 2, kGets, 1, 1, 1, RunGet, "string", "1.0.0", "The string of a key"},
    {"getdel", 2, kWrite | kFast, 1, 1, 1, RunGetDel, "string", "6.2.0",
     "The string of a key, which is deleted"},
    {"getex", -2, kWrite | kFast, 1, 1, 1, RunGetEx, "string", "6.2.0",
     "The string of a key, whose time of death is set anew"},
    {"getrange", 4, kReadOnly, 1, 1, 1, RunGetRange, "string", "2.4.0", "A part of a string"},
    {"getset", 3, kSets | kFast, 1, 1, 1, RunGetSet, "string", "1.0.0",
     "The string of a key, which is set anew"},
    {"incr", 2, kSets | kFast, 1, 1, 1, RunIncr, "string", "1.0.0", "Adds one to a number"},
    {"incrby", 3, kSets | kFast, 1, 1, 1, RunIncrBy, "string", "1.0.0", "Adds to a number"},
    {"incrbyfloat", 3, kSets | kFast, 1, 1, 1, RunIncrByFloat, "string", "2.6.0",
     "Adds to a number with a fraction"},
    {"mget", -2, kGets, 1, -1, 1, RunMGet, "string", "1.0.0", "The strings of several keys"},
    {"mset", -3, kSets, 1, -1, 2, RunMSet, "string", "1.0.1", "Sets several keys"},
    {"msetex", -4, kSets | kMovableKeys, 1, 0, 2, RunMSetEx, "string", "8.4.0",
     "Sets several keys under one condition, with one time of death"},
    {"msetnx", -3, kSets, 1, -1, 2, RunMSetNx, "string", "1.0.1",
     "Sets several keys if none of them exists"},
    {"psetex", 4, kSets, 1, 1, 1, RunPSetEx, "string", "2.6.0",
     "Sets a key that dies after so many milliseconds"},
    {"set", -3, kSets, 1, 1, 1, RunSet, "string", "1.0.0",
     "Sets a key, under a condition, with a time of death"},
    {"setex", 4, kSets, 1, 1, 1, RunSetEx, "string", "2.0.0",
     "Sets a key that dies after so many seconds"},
    {"setnx", 3, kSets | kFast, 1, 1, 1, RunSetNx, "string", "1.0.0",
     "Sets a key if it does not exist"},
    {"setrange", 4, kSets, 1, 1, 1, RunSetRange, "string", "2.2.0",
     "Overwrites a part of a string"},
    {"strlen", 2, kGets, 1, 1, 1, RunStrLen, "string", "2.2.0", "The length of a string"},
    {"substr", 4, kReadOnly, 1, 1, 1, RunGetRange, "string", "1.0.0", "A part of a string"},
};

}  // namespace

std::span<const Command> StringCommands() { return kCommands; }

}  // namespace onced::redis

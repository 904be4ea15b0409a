// SPDX-License-Identifier: MIT
// The commands on keys, whatever they hold: to delete, find, list, rename them.
#include <random>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/death_commands.h"
#include "server/redis/glob.h"
#include "server/redis/interpreter.h"
#include "server/redis/scan_terms.h"

namespace onced::redis {
namespace {

constexpr std::string_view kTypeNames[] = {"none", "string", "hash", "set", "zset", "list"};
constexpr size_t kEmbeddedMax = 44;  // Redis calls the encoding of longer ones raw
constexpr size_t kKeysAtOnce = 1'000;

std::string_view TypeName(const Entry* entry) {
  return kTypeNames[entry == nullptr ? 0 : static_cast<size_t>(entry->type)];
}

void RunDel(Call& call) {
  int64_t erased = 0;
  for (const std::string_view key : call.arguments.subspan(1)) {
    erased += call.data.Erase(call.db(), key) ? 1 : 0;
  }
  call.reply.Integer(erased);
}

void RunExists(Call& call) {
  int64_t found = 0;
  for (const std::string_view key : call.arguments.subspan(1)) {
    found += call.data.Find(call.db(), key) != nullptr ? 1 : 0;
  }
  call.reply.Integer(found);
}

void RunType(Call& call) { call.reply.Status(TypeName(call.data.Load(call.db(), call[1]))); }

// What holds the value of one key becomes that of another, with its time of death.
void Move(Call& call, std::string_view from, Selected to_db, std::string_view to, bool keep) {
  const Entry* const entry = call.data.Load(call.db(), from);
  const ValueType type = entry->type;
  const int64_t dead_at_ms = entry->dead_at_ms;
  const std::string bytes(entry->bytes);
  if (!keep) (void)call.data.Erase(call.db(), from);
  call.data.Put(to_db, to, type, dead_at_ms, bytes);
}

void RunRename(Call& call) {
  if (call.data.Load(call.db(), call[1]) == nullptr) return call.reply.Error("ERR no such key");
  if (call[1] != call[2]) Move(call, call[1], call.db(), call[2], /*keep=*/false);
  call.reply.Ok();
}

void RunRenameNx(Call& call) {
  if (call.data.Load(call.db(), call[1]) == nullptr) return call.reply.Error("ERR no such key");
  if (call[1] == call[2] || call.data.Load(call.db(), call[2]) != nullptr) {
    return call.reply.Integer(0);
  }
  Move(call, call[1], call.db(), call[2], /*keep=*/false);
  call.reply.Integer(1);
}

// COPY source destination [DB n] [REPLACE]
void RunCopy(Call& call) {
  Selected to = call.db();
  bool replace = false;
  for (size_t i = 3; i < call.size(); ++i) {
    if (Is(call[i], "replace")) {
      replace = true;
    } else if (Is(call[i], "db") && i + 1 < call.size()) {
      if (!ExpectDatabase(call, call[++i], &to)) return;
    } else {
      return call.reply.Error(kSyntax);
    }
  }
  if (to.space == call.db().space && call[1] == call[2]) {
    return call.reply.Error("ERR source and destination objects are the same");
  }
  const bool there = call.data.Load(call.db(), call[1]) != nullptr;
  if (!there || (!replace && call.data.Load(to, call[2]) != nullptr)) {
    return call.reply.Integer(0);
  }
  Move(call, call[1], to, call[2], /*keep=*/true);
  call.reply.Integer(1);
}

void RunMove(Call& call) {
  Selected to;
  if (!ExpectDatabase(call, call[2], &to)) return;
  if (to.space == call.db().space) {
    return call.reply.Error("ERR source and destination objects are the same");
  }
  const bool goes =
      call.data.Load(call.db(), call[1]) != nullptr && call.data.Load(to, call[1]) == nullptr;
  if (goes) Move(call, call[1], to, call[1], /*keep=*/false);
  call.reply.Integer(goes ? 1 : 0);
}

// Names that are found one by one, kept as they will be told, and no more of them than an answer
// may hold: a database has more names than there is memory.
class FoundNames {
 public:
  explicit FoundNames(const Call& call)
      : reply_(&bulks_, call.reply.protocol(), call.redis.options().answer_max) {}

  void Add(std::string_view name) {
    reply_.Bulk(name);
    ++count_;
  }
  bool IsFull() const { return reply_.IsFull(); }
  void Answer(Call& call) const {
    call.reply.Array(count_);
    call.reply.out().append(bulks_);
  }

 private:
  std::string bulks_;
  Reply reply_;
  size_t count_ = 0;
};

void RunKeys(Call& call) {
  FoundNames names(call);
  for (uint32_t slot = 0; slot < Keyspace::kSlots && !names.IsFull();) {
    slot = call.data.Scan(call.db(), slot, kKeysAtOnce, [&](std::string_view key, const Entry&) {
      if (GlobMatches(call[1], key)) names.Add(key);
    });
  }
  names.Answer(call);
}

void RunScan(Call& call) {
  uint64_t cursor = 0;
  ScanTerms terms;
  if (!ExpectCursor(call, call[1], &cursor)) return;
  if (!ExpectScanTerms(call, 2, /*with_type=*/true, &terms)) return;
  FoundNames names(call);
  const auto take = [&](std::string_view key, const Entry& entry) {
    if (terms.type.has_value() && !Is(*terms.type, TypeName(&entry))) return;
    if (GlobMatches(terms.pattern, key)) names.Add(key);
  };
  // One that no SCAN has given is folded, as Redis folds it.
  const auto from = static_cast<uint32_t>(cursor % Keyspace::kSlots);
  const uint32_t next = call.data.Scan(call.db(), from, terms.count, take);
  call.reply.Array(2);
  call.reply.Bulk(next == Keyspace::kSlots ? "0" : std::to_string(next));
  names.Answer(call);
}

void RunRandomKey(Call& call) {
  static thread_local std::minstd_rand random(std::random_device{}());
  std::string found;
  bool any = false;
  const auto take = [&](std::string_view key, const Entry&) {
    if (!any) found = key;
    any = true;
  };
  const uint32_t from = static_cast<uint32_t>(random()) % Keyspace::kSlots;
  // Where the first is dead, so may a million be behind it.
  size_t count = 1;
  for (const uint32_t begin : {from, 0U}) {
    for (uint32_t slot = begin; slot < Keyspace::kSlots && !any; count = kKeysAtOnce) {
      slot = call.data.Scan(call.db(), slot, count, take);
    }
  }
  any ? call.reply.Bulk(found) : call.reply.Null();
}

// What Redis would call the encoding of a string.
std::string_view EncodingOf(const Entry& entry) {
  int64_t number = 0;
  switch (entry.type) {
    case ValueType::kString:
      if (entry.bytes.size() <= 20 && ReadInteger(entry.bytes, &number)) return "int";
      return entry.bytes.size() <= kEmbeddedMax ? "embstr" : "raw";
    case ValueType::kSet:
      return "hashtable";
    default:
      return "listpack";
  }
}

const Entry* ExpectObject(Call& call) {
  const Entry* const entry = call.data.Load(call.db(), call[2]);
  if (entry == nullptr) call.reply.Null();
  return entry;
}

void RunObjectEncoding(Call& call) {
  const Entry* const entry = ExpectObject(call);
  if (entry != nullptr) call.reply.Bulk(EncodingOf(*entry));
}

void RunObjectRefCount(Call& call) {
  if (ExpectObject(call) != nullptr) call.reply.Integer(1);
}

void RunObjectIdleTime(Call& call) {
  if (ExpectObject(call) != nullptr) call.reply.Integer(0);
}

void RunObjectFreq(Call& call) {
  if (ExpectObject(call) == nullptr) return;
  call.reply.Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void RunObjectHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. The returned integer is",
      "    proportional to the logarithm of the recent access frequency of the key.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, that is the approximated number of",
      "    seconds elapsed since the last access to the key.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
      "HELP",
      "    Prints this help."};
  call.reply.Array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.Status(line);
}

constexpr Command kObject[] = {
    {"encoding",
     3,
     kReadOnly,
     2,
     2,
     1,
     RunObjectEncoding,
     "generic",
     "2.2.3",
     "What Redis would call the encoding of a value",
     {},
     "object"},
    {"freq",
     3,
     kReadOnly,
     2,
     2,
     1,
     RunObjectFreq,
     "generic",
     "4.0.0",
     "Not kept: an error, as where Redis does not keep it",
     {},
     "object"},
    {"help",
     2,
     kLoading | kStale,
     0,
     0,
     0,
     RunObjectHelp,
     "generic",
     "6.2.0",
     "The subcommands of OBJECT",
     {},
     "object"},
    {"idletime",
     3,
     kReadOnly,
     2,
     2,
     1,
     RunObjectIdleTime,
     "generic",
     "2.2.3",
     "Not kept: 0 for a key that exists",
     {},
     "object"},
    {"refcount",
     3,
     kReadOnly,
     2,
     2,
     1,
     RunObjectRefCount,
     "generic",
     "2.2.3",
     "1 for a key that exists",
     {},
     "object"},
};

constexpr Command kCommands[] = {
    {"copy", -3, kWrite | kDenyOom, 1, 2, 1, RunCopy, "generic", "6.2.0",
     "Copies a value to another key, with its time of death"},
    {"del", -2, kWrite, 1, -1, 1, RunDel, "generic", "1.0.0", "Deletes keys"},
    {"exists", -2, kReadOnly | kFast, 1, -1, 1, RunExists, "generic", "1.0.0",
     "How many of the keys there are"},
    {"expire", -3, kWrite | kFast, 1, 1, 1, RunExpire, "generic", "1.0.0",
     "Sets the seconds after which a key dies"},
    {"expireat", -3, kWrite | kFast, 1, 1, 1, RunExpireAt, "generic", "1.2.0",
     "Sets the second in which a key dies"},
    {"expiretime", 2, kReadOnly | kFast, 1, 1, 1, RunExpireTime, "generic", "7.0.0",
     "The second in which a key dies"},
    {"keys", 2, kReadOnly, 0, 0, 0, RunKeys, "generic", "1.0.0", "All keys that match a pattern"},
    {"move", 3, kWrite | kFast, 1, 1, 1, RunMove, "generic", "1.0.0",
     "Moves a key to another database"},
    {"object", -2, 0, 0, 0, 0, nullptr, "generic", "2.2.3", "About the values of keys", kObject},
    {"persist", 2, kWrite | kFast, 1, 1, 1, RunPersist, "generic", "2.2.0",
     "Lets a key live for good"},
    {"pexpire", -3, kWrite | kFast, 1, 1, 1, RunPExpire, "generic", "2.6.0",
     "Sets the milliseconds after which a key dies"},
    {"pexpireat", -3, kWrite | kFast, 1, 1, 1, RunPExpireAt, "generic", "2.6.0",
     "Sets the millisecond in which a key dies"},
    {"pexpiretime", 2, kReadOnly | kFast, 1, 1, 1, RunPExpireTime, "generic", "7.0.0",
     "The millisecond in which a key dies"},
    {"pttl", 2, kReadOnly | kFast, 1, 1, 1, RunPTtl, "generic", "2.6.0",
     "The milliseconds that a key has left"},
    {"randomkey", 1, kReadOnly, 0, 0, 0, RunRandomKey, "generic", "1.0.0", "Some key"},
    {"rename", 3, kWrite, 1, 2, 1, RunRename, "generic", "1.0.0", "Gives a value another key"},
    {"renamenx", 3, kWrite | kFast, 1, 2, 1, RunRenameNx, "generic", "1.0.0",
     "Gives a value another key that does not exist yet"},
    {"scan", -2, kReadOnly, 0, 0, 0, RunScan, "generic", "2.8.0", "Walks through the keys"},
    {"touch", -2, kReadOnly | kFast, 1, -1, 1, RunExists, "generic", "3.2.1",
     "How many of the keys there are"},
    {"ttl", 2, kReadOnly | kFast, 1, 1, 1, RunTtl, "generic", "1.0.0",
     "The seconds that a key has left"},
    {"type", 2, kReadOnly | kFast, 1, 1, 1, RunType, "generic", "1.0.0", "What a key holds"},
    {"unlink", -2, kWrite | kFast, 1, -1, 1, RunDel, "generic", "4.0.0", "Deletes keys"},
};

}  // namespace

std::span<const Command> KeyCommands() { return kCommands; }

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// The commands on sorted sets: names with scores, in the order of these.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/collection_values.h"
#include "server/redis/interpreter.h"
#include "server/redis/sorted_set_ranges.h"

namespace onced::redis {
namespace {

CollectionValue LoadSorted(Call& call) { return LoadCollection(call, ValueType::kSortedSet); }
CollectionValue FindSorted(Call& call) { return FindCollection(call, ValueType::kSortedSet); }

struct AddTerms {
  bool absent = false;   // NX
  bool present = false;  // XX
  bool greater = false;
  bool less = false;
  bool changed = false;  // CH: those that changed are counted, not only the new ones
  bool adds = false;     // INCR
  size_t pairs_at = 2;
};

bool ReadAddOption(std::string_view word, AddTerms* terms) {
  const auto said = [word](const char* option, bool* flag) {
    if (!Is(word, option)) return false;
    return *flag = true;
  };
  return said("nx", &terms->absent) || said("xx", &terms->present) || said("gt", &terms->greater) ||
         said("lt", &terms->less) || said("ch", &terms->changed) || said("incr", &terms->adds);
}

// What is wrong with the options and the pairs behind them; "": nothing.
std::string_view FaultOf(Call& call, AddTerms* terms) {
  size_t& at = terms->pairs_at;
  while (at < call.size() && ReadAddOption(call[at], terms)) ++at;
  const size_t words = call.size() - at;
  if (words == 0 || words % 2 != 0) return kSyntax;
  if (terms->absent && terms->present) {
    return "ERR XX and NX options at the same time are not compatible";
  }
  if (terms->greater + terms->less + terms->absent > 1) {
    return "ERR GT, LT, and/or NX options at the same time are not compatible";
  }
  if (terms->adds && words > 2) {
    return "ERR INCR option supports a single increment-element pair";
  }
  return "";
}

// A name that a ZADD gives a score.
struct Scored {
  std::optional<double> before;
  std::optional<double> now;
  bool HasChanged() const { return now != before; }
};

// Gives `scored` the score, or adds it, as the terms allow; whether they do. `sum` becomes what it
// has, or would have, then.
bool Give(const AddTerms& terms, double score, Scored* scored, double* sum) {
  *sum = score;
  if (!scored->now.has_value()) {
    if (terms.present) return false;
    scored->now = score;
    return true;
  }
  if (terms.absent) return false;
  if (terms.adds) *sum = *scored->now + score;
  const bool refused =
      (terms.less && *sum >= *scored->now) || (terms.greater && *sum <= *scored->now);
  if (!refused) scored->now = *sum;
  return !refused;
}

// The set with the scores that have changed, each where it belongs now.
CollectionWriter Merged(CollectionReader members, const Wanted& names,
                        const std::vector<Scored>& scored) {
  std::vector<Member> changed;
  for (size_t i = 0; i < scored.size(); ++i) {
    if (scored[i].HasChanged()) changed.push_back({.name = names[i], .score = *scored[i].now});
  }
  std::sort(changed.begin(), changed.end(), ComesBefore);
  CollectionWriter writer(members.rest().size() + names[0].size() + 16);
  auto next = changed.begin();
  for (Member member; members.Next(&member);) {
    const size_t at = names.Find(member.name);
    if (at < scored.size() && scored[at].HasChanged()) continue;
    for (; next != changed.end() && ComesBefore(*next, member); ++next) {
      writer.Add(next->score, next->name);
    }
    writer.Keep(member);
  }
  for (; next != changed.end(); ++next) writer.Add(next->score, next->name);
  return writer;
}

std::optional<std::vector<double>> ExpectScores(Call& call, size_t at) {
  std::vector<double> scores;
  for (; at < call.size(); at += 2) {
    double score = 0;
    if (!ReadDouble(call[at], &score)) {
      call.reply.Error("ERR value is not a valid float");
      return std::nullopt;
    }
    scores.push_back(score);
  }
  return scores;
}

void Add(Call& call, AddTerms terms) {
  const std::string_view fault = FaultOf(call, &terms);
  if (!fault.empty()) return call.reply.Error(fault);
  const std::optional<std::vector<double>> scores = ExpectScores(call, terms.pairs_at);
  if (!scores.has_value()) return;
  const CollectionValue set = LoadSorted(call);
  if (set.refused) return;
  const Wanted names(call.arguments, terms.pairs_at + 1, 2);
  std::vector<Scored> scored(names.size());
  CollectionReader members = set.members;
  for (Member member; members.Next(&member);) {
    const size_t at = names.Find(member.name);
    if (at < scored.size()) scored[at] = {.before = member.score, .now = member.score};
  }
  size_t added = 0;
  size_t updated = 0;
  double sum = 0;
  bool given = false;
  for (size_t i = 0; i < scores->size(); ++i) {
    Scored& one = scored[names.Find(names[i])];
    const std::optional<double> was = one.now;
    given = Give(terms, (*scores)[i], &one, &sum);
    if (std::isnan(sum)) return call.reply.Error("ERR resulting score is not a number (NaN)");
    added += !was.has_value() && one.now.has_value() ? 1 : 0;
    updated += was.has_value() && was != one.now ? 1 : 0;
  }
  if (added + updated > 0) {
    CollectionWriter writer = Merged(set.members, names, scored);
    if (!StoreCollection(call, set, &writer)) return;
  }
  if (terms.adds) return given ? call.reply.Double(sum) : call.reply.Null();
  call.reply.Integer(static_cast<int64_t>(terms.changed ? added + updated : added));
}

void RunZAdd(Call& call) { Add(call, {}); }
void RunZIncrBy(Call& call) { Add(call, {.adds = true}); }

void AnswerScore(Reply& reply, const std::optional<Member>& found) {
  found.has_value() ? reply.Double(found->score) : reply.Null();
}

void RunZScore(Call& call) { AnswerNamed(call, ValueType::kSortedSet, AnswerScore); }
void RunZMScore(Call& call) { AnswerEachNamed(call, ValueType::kSortedSet, AnswerScore); }

void AnswerRank(Call& call, bool reverse) {
  const CollectionValue set = FindSorted(call);
  if (set.refused) return;
  CollectionReader members = set.members;
  for (Member member; members.Next(&member);) {
    if (member.name != call[2]) continue;
    const size_t behind = members.left();
    const size_t rank = reverse ? behind : members.size() - behind - 1;
    return call.reply.Integer(static_cast<int64_t>(rank));
  }
  call.reply.Null();
}

void RunZRank(Call& call) { AnswerRank(call, /*reverse=*/false); }
void RunZRevRank(Call& call) { AnswerRank(call, /*reverse=*/true); }

void RunZCount(Call& call) {
  SortedSetRange range;
  if (!range.Expect(call, RangeKind::kScore, call[2], call[3])) return;
  const CollectionValue set = FindSorted(call);
  if (set.refused) return;
  int64_t count = 0;
  CollectionReader members = set.members;
  for (Member member; members.Next(&member);) count += range.Holds(member) ? 1 : 0;
  call.reply.Integer(count);
}

// Removes those that `goes(place, member)` says.
template <typename Goes>
void RemoveWhere(Call& call, const CollectionValue& set, Goes goes) {
  CollectionReader members = set.members;
  CollectionWriter writer(members.rest().size());
  size_t place = 0;
  for (Member member; members.Next(&member); ++place) {
    if (!goes(place, member)) writer.Keep(member);
  }
  const size_t removed = place - writer.size();
  if (removed > 0 && !StoreCollection(call, set, &writer)) return;
  call.reply.Integer(static_cast<int64_t>(removed));
}

void RunZRemRangeByScore(Call& call) {
  SortedSetRange range;
  if (!range.Expect(call, RangeKind::kScore, call[2], call[3])) return;
  const CollectionValue set = LoadSorted(call);
  if (set.refused) return;
  RemoveWhere(call, set, [&](size_t, const Member& member) { return range.Holds(member); });
}

void RunZRemRangeByRank(Call& call) {
  int64_t start = 0;
  int64_t stop = 0;
  if (!ExpectStartAndStop(call, &start, &stop)) return;
  const CollectionValue set = LoadSorted(call);
  if (set.refused) return;
  const Places places = PlacesOf(start, stop, set.members.size());
  RemoveWhere(call, set, [&](size_t place, const Member&) { return places.Hold(place); });
}

void RunZRem(Call& call) { RemoveNamed(call, ValueType::kSortedSet); }
void RunZCard(Call& call) { AnswerSize(call, ValueType::kSortedSet); }
void RunZScan(Call& call) { ScanMembers(call, ValueType::kSortedSet); }

constexpr auto kSets = kWrite | kDenyOom | kFast;
constexpr auto kGets = kReadOnly | kFast;

constexpr Command kCommands[] = {
    {"zadd", -4, kSets, 1, 1, 1, RunZAdd, "sorted-set", "1.2.0",
     "Gives members scores, under a condition"},
    {"zcard", 2, kGets, 1, 1, 1, RunZCard, "sorted-set", "1.2.0", "How many members there are"},
    {"zcount", 4, kGets, 1, 1, 1, RunZCount, "sorted-set", "2.0.0",
     "How many members have such scores"},
    {"zincrby", 4, kSets, 1, 1, 1, RunZIncrBy, "sorted-set", "1.2.0", "Adds to a member's score"},
    {"zmscore", -3, kGets, 1, 1, 1, RunZMScore, "sorted-set", "6.2.0",
     "The scores of several members"},
    {"zrange", -4, kReadOnly, 1, 1, 1, RunZRange, "sorted-set", "1.2.0",
     "The members of a range of ranks, scores or names"},
    {"zrangebylex", -4, kReadOnly, 1, 1, 1, RunZRangeByLex, "sorted-set", "2.8.9",
     "The members of a range of names"},
    {"zrangebyscore", -4, kReadOnly, 1, 1, 1, RunZRangeByScore, "sorted-set", "1.0.5",
     "The members of a range of scores"},
    {"zrank", 3, kGets, 1, 1, 1, RunZRank, "sorted-set", "2.0.0",
     "How many members come before one"},
    {"zrem", -3, kWrite | kFast, 1, 1, 1, RunZRem, "sorted-set", "1.2.0", "Removes members"},
    {"zremrangebyrank", 4, kWrite, 1, 1, 1, RunZRemRangeByRank, "sorted-set", "2.0.0",
     "Removes the members of a range of ranks"},
    {"zremrangebyscore", 4, kWrite, 1, 1, 1, RunZRemRangeByScore, "sorted-set", "1.2.0",
     "Removes the members of a range of scores"},
    {"zrevrange", -4, kReadOnly, 1, 1, 1, RunZRevRange, "sorted-set", "1.2.0",
     "The members of a range of ranks, from the end"},
    {"zrevrangebylex", -4, kReadOnly, 1, 1, 1, RunZRevRangeByLex, "sorted-set", "2.8.9",
     "The members of a range of names, from the end"},
    {"zrevrangebyscore", -4, kReadOnly, 1, 1, 1, RunZRevRangeByScore, "sorted-set", "2.2.0",
     "The members of a range of scores, from the end"},
    {"zrevrank", 3, kGets, 1, 1, 1, RunZRevRank, "sorted-set", "2.0.0",
     "How many members come behind one"},
    {"zscan", -3, kReadOnly, 1, 1, 1, RunZScan, "sorted-set", "2.8.0",
     "The members that match a pattern and their scores, all at once"},
    {"zscore", 3, kGets, 1, 1, 1, RunZScore, "sorted-set", "1.2.0", "The score of a member"},
};

}  // namespace

std::span<const Command> SortedSetCommands() { return kCommands; }

}  // namespace onced::redis

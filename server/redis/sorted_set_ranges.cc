// SPDX-License-Identifier: MIT
#include "server/redis/sorted_set_ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "server/redis/argument.h"
#include "server/redis/collection_values.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

struct RangeTerms {
  std::optional<RangeKind> kind;  // absent: an option may say
  std::optional<bool> reverse;
  bool with_scores = false;
  int64_t offset = 0;
  int64_t limit = -1;  // negative: all
};

bool Refuse(Call& call, std::string_view error) {
  call.reply.Error(error);
  return false;
}

// The options behind the two ends; false: answered.
bool ExpectOptions(Call& call, RangeTerms* terms) {
  for (size_t i = 4; i < call.size(); ++i) {
    if (Is(call[i], "withscores")) {
      terms->with_scores = true;
    } else if (Is(call[i], "limit") && i + 2 < call.size()) {
      if (!ExpectInteger(call, call[i + 1], &terms->offset)) return false;
      if (!ExpectInteger(call, call[i + 2], &terms->limit)) return false;
      i += 2;
    } else if (Is(call[i], "rev") && !terms->reverse.has_value()) {
      terms->reverse = true;
    } else if (Is(call[i], "bylex") && !terms->kind.has_value()) {
      terms->kind = RangeKind::kName;
    } else if (Is(call[i], "byscore") && !terms->kind.has_value()) {
      terms->kind = RangeKind::kScore;
    } else {
      return Refuse(call, kSyntax);
    }
  }
  const RangeKind kind = terms->kind.value_or(RangeKind::kRank);
  if (terms->limit != -1 && kind == RangeKind::kRank) {
    return Refuse(call,
                  "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
                  "BYLEX");
  }
  if (terms->with_scores && kind == RangeKind::kName) {
    return Refuse(call, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
  }
  return true;
}

std::vector<Member> AllOf(CollectionReader members, bool reverse) {
  std::vector<Member> all;
  all.reserve(members.size());
  for (Member member; members.Next(&member);) all.push_back(member);
  if (reverse) std::reverse(all.begin(), all.end());
  return all;
}

// What is within the range, from the end at which the walk begins. Where names are asked for and
// scores differ, the order is not that of the names: then this is what Redis finds.
Places Within(const std::vector<Member>& all, const SortedSetRange& range,
              const RangeTerms& terms) {
  const bool reverse = terms.reverse.value_or(false);
  const auto begins = [&](const Member& one) {
    return reverse ? range.IsBelowHigh(one) : range.IsAboveLow(one);
  };
  const auto goes_on = [&](const Member& one) {
    return reverse ? range.IsAboveLow(one) : range.IsBelowHigh(one);
  };
  if (all.empty() || !begins(all.back()) || !goes_on(all.front()) || terms.offset < 0) return {};
  auto first = std::find_if(all.begin(), all.end(), begins);
  if (first == all.end() || !goes_on(*first)) return {};
  first += std::min(terms.offset, all.end() - first);
  auto last = std::find_if_not(first, all.end(), goes_on);
  if (terms.limit >= 0) last = first + std::min(terms.limit, last - first);
  return {.begin = static_cast<size_t>(first - all.begin()),
          .end = static_cast<size_t>(last - all.begin())};
}

void Answer(Call& call, const std::vector<Member>& all, Places places, bool with_scores) {
  const bool in_pairs = with_scores && call.reply.protocol() == 3;
  call.reply.Array(places.size() * (with_scores && !in_pairs ? 2 : 1));
  for (size_t i = places.begin; i < places.end; ++i) {
    if (in_pairs) call.reply.Array(2);
    call.reply.Bulk(all[i].name);
    if (with_scores) call.reply.Double(all[i].score);
  }
}

void AnswerRange(Call& call, RangeTerms terms) {
  if (!ExpectOptions(call, &terms)) return;
  const RangeKind kind = terms.kind.value_or(RangeKind::kRank);
  const bool reverse = terms.reverse.value_or(false);
  int64_t start = 0;
  int64_t stop = 0;
  SortedSetRange range;
  if (kind == RangeKind::kRank) {
    if (!ExpectStartAndStop(call, &start, &stop)) return;
  } else if (!range.Expect(call, kind, call[reverse ? 3 : 2], call[reverse ? 2 : 3])) {
    return;
  }
  const CollectionValue set = FindCollection(call, ValueType::kSortedSet);
  if (set.refused) return;
  const std::vector<Member> all = AllOf(set.members, reverse);
  const Places places =
      kind == RangeKind::kRank ? PlacesOf(start, stop, all.size()) : Within(all, range, terms);
  Answer(call, all, places, terms.with_scores);
}

}  // namespace

// As C's strtod reads it, to the first NUL: blanks before it, or nothing at all, are no fault.
bool SortedSetRange::ReadScore(std::string_view text, End* end) {
  std::string copy(CText(text));
  end->open = copy.starts_with('(');
  if (end->open) copy.erase(0, 1);
  char* behind = nullptr;
  end->score = std::strtod(copy.c_str(), &behind);
  return *behind == '\0' && !std::isnan(end->score);
}

bool SortedSetRange::ReadName(std::string_view text, End* end) {
  const std::string_view sign = CText(text);
  if (sign == "-" || sign == "+") {
    end->infinite = sign == "-" ? -1 : 1;
    return true;
  }
  if (!text.starts_with('[') && !text.starts_with('(')) return false;
  end->open = text.front() == '(';
  end->name = text.substr(1);
  return true;
}

bool SortedSetRange::Expect(Call& call, RangeKind kind, std::string_view low,
                            std::string_view high) {
  kind_ = kind;
  if (kind == RangeKind::kScore) {
    if (ReadScore(low, &low_) && ReadScore(high, &high_)) return true;
    return Refuse(call, "ERR min or max is not a float");
  }
  if (ReadName(low, &low_) && ReadName(high, &high_)) return true;
  return Refuse(call, "ERR min or max not valid string range item");
}

// Whether the member lies on the far side of an end.
bool SortedSetRange::IsCut(const End& end, const Member& member, bool is_low) const {
  if (kind_ == RangeKind::kName && end.infinite != 0) return (end.infinite > 0) == is_low;
  const bool equal =
      kind_ == RangeKind::kScore ? member.score == end.score : member.name == end.name;
  if (equal) return end.open;
  const bool below = kind_ == RangeKind::kScore ? member.score < end.score : member.name < end.name;
  return below == is_low;
}

void RunZRange(Call& call) { AnswerRange(call, {}); }

void RunZRevRange(Call& call) { AnswerRange(call, {.kind = RangeKind::kRank, .reverse = true}); }

void RunZRangeByScore(Call& call) {
  AnswerRange(call, {.kind = RangeKind::kScore, .reverse = false});
}

void RunZRevRangeByScore(Call& call) {
  AnswerRange(call, {.kind = RangeKind::kScore, .reverse = true});
}

void RunZRangeByLex(Call& call) { AnswerRange(call, {.kind = RangeKind::kName, .reverse = false}); }

void RunZRevRangeByLex(Call& call) {
  AnswerRange(call, {.kind = RangeKind::kName, .reverse = true});
}

}  // namespace onced::redis

// SPDX-License-Identifier: MIT
// Collection: what is written is read back, FORMAT.md says how it lies there, and bytes that are no
// collection are seen to be none and never read beyond.
#include "server/redis/collection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "server/redis/collection_values.h"

namespace onced {
namespace {

using redis::CollectionReader;
using redis::CollectionWriter;
using redis::IsCollection;
using redis::Member;
using redis::Places;
using redis::PlacesOf;
using redis::Wanted;

constexpr ValueType kTypes[] = {ValueType::kHash, ValueType::kSet, ValueType::kSortedSet,
                                ValueType::kList};

std::string Bytes(std::string_view text) { return std::string(text); }

// Some members, of whatever length a length takes another byte for.
std::string Some(ValueType type) {
  CollectionWriter writer;
  double score = -1.5;
  for (const size_t size : {0U, 1U, 127U, 128U, 16'383U, 16'384U, 20'000U}) {
    const std::string name(size, '\0');
    const std::string value(size, '\xff');
    if (type == ValueType::kHash) {
      writer.Add(name, value);
    } else if (type == ValueType::kSortedSet) {
      writer.Add(score += 0.75, name);
    } else {
      writer.Add(name);
    }
  }
  return Bytes(writer.Finish());
}

// Walks to the end; how many members there were. Each lies within the bytes.
size_t Walk(ValueType type, const std::string& bytes) {
  CollectionReader reader(type, bytes);
  const auto within = [&bytes](std::string_view part) {
    return part.empty() || (part.data() >= bytes.data() &&
                            part.data() + part.size() <= bytes.data() + bytes.size());
  };
  size_t met = 0;
  for (Member member; reader.Next(&member); ++met) {
    EXPECT_TRUE(within(member.name) && within(member.value) && within(member.encoded));
  }
  return met;
}

TEST(Collection, KeepsWhatWasAdded) {
  for (const ValueType type : kTypes) {
    const std::string bytes = Some(type);
    EXPECT_TRUE(IsCollection(type, bytes));
    CollectionReader reader(type, bytes);
    EXPECT_EQ(reader.size(), 7u);
    double score = -1.5;
    Member member;
    for (const size_t size : {0U, 1U, 127U, 128U, 16'383U, 16'384U, 20'000U}) {
      ASSERT_TRUE(reader.Next(&member)) << size;
      EXPECT_EQ(member.name, std::string(size, '\0'));
      EXPECT_EQ(member.value, std::string(type == ValueType::kHash ? size : 0, '\xff'));
      score += 0.75;
      EXPECT_EQ(member.score, type == ValueType::kSortedSet ? score : 0);
    }
    EXPECT_FALSE(reader.Next(&member));
  }
}

TEST(Collection, LiesAsTheFormatSays) {
  CollectionWriter hash;
  hash.Add("ab", "");
  hash.Add("", std::string(300, 'x'));
  EXPECT_EQ(hash.Finish(), std::string("\2\0\0\0\2ab\0\0\xac\2", 11) + std::string(300, 'x'));
  CollectionWriter sorted;
  sorted.Add(-2.0, "a");
  EXPECT_EQ(sorted.Finish(), std::string("\1\0\0\0\0\0\0\0\0\0\0\xc0\1a", 14));
}

TEST(Collection, IsPutTogetherFromPiecesOfAnother) {
  CollectionWriter first;
  for (const char* name : {"a", "b", "c", "d"}) first.Add(name);
  const std::string bytes = Bytes(first.Finish());
  CollectionReader reader(ValueType::kList, bytes);
  CollectionWriter second;
  Member member;
  ASSERT_TRUE(reader.Next(&member));
  second.Keep(member);
  ASSERT_TRUE(reader.Next(&member));
  second.Add("new");
  second.KeepRest(reader);
  CollectionWriter expected;
  for (const char* name : {"a", "new", "c", "d"}) expected.Add(name);
  EXPECT_EQ(second.Finish(), expected.Finish());
  EXPECT_EQ(second.size(), 4u);
}

TEST(Collection, IsNoneWhenItIsCutOrHasMoreBehind) {
  for (const ValueType type : kTypes) {
    CollectionWriter writer;
    type == ValueType::kHash        ? writer.Add("field", "value")
    : type == ValueType::kSortedSet ? writer.Add(1.0, "member")
                                    : writer.Add("member");
    const std::string bytes = Bytes(writer.Finish());
    ASSERT_TRUE(IsCollection(type, bytes));
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A copy of just these, so that a sanitizer sees a read past their end.
      const std::string cut(bytes.data(), size);
      EXPECT_FALSE(IsCollection(type, cut)) << size;
      EXPECT_EQ(Walk(type, cut), 0u);
    }
    EXPECT_FALSE(IsCollection(type, bytes + '\0'));
  }
}

TEST(Collection, IsNoneWhenItsCountOrALengthIsAbsurd) {
  for (const ValueType type : kTypes) {
    EXPECT_FALSE(IsCollection(type, std::string(4, '\0'))) << "an empty one is not kept";
    for (const char* length : {"\xff\xff\xff\xff\x0f", "\x80\x80\x80\x80\x80", "\xff\xff\x7f"}) {
      const std::string score(type == ValueType::kSortedSet ? 8 : 0, '\0');
      const std::string bytes = std::string("\xff\xff\xff\xff", 4) + score + length + "name";
      EXPECT_FALSE(IsCollection(type, bytes));
      EXPECT_EQ(Walk(type, bytes), 0u);
    }
  }
}

TEST(Collection, StaysWithinWhateverBytes) {
  std::mt19937 random(20261126);
  for (const ValueType type : kTypes) {
    const std::string good = Some(type);
    for (int i = 0; i < 2'000; ++i) {
      std::string bytes = good;
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
        // Near the head too, where there is more than filling.
        const size_t most = random() % 2 == 0 ? 64 : bytes.size();
        bytes[random() % most] = static_cast<char>(random());
      }
      (void)IsCollection(type, bytes);
      (void)Walk(type, bytes);
      std::string noise(random() % 64, '\0');
      for (char& c : noise) c = static_cast<char>(random() % 4);
      (void)IsCollection(type, noise);
      (void)Walk(type, noise);
    }
  }
}

TEST(Collection, IsNoSortedSetOutOfOrder) {
  const auto sorted = [](double first, const char* name, double second, const char* other) {
    CollectionWriter writer;
    writer.Add(first, name);
    writer.Add(second, other);
    return IsCollection(ValueType::kSortedSet, writer.Finish());
  };
  constexpr double kInf = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(sorted(-kInf, "b", kInf, "a"));
  EXPECT_TRUE(sorted(1, "a", 1, "b"));
  EXPECT_FALSE(sorted(2, "a", 1, "b"));
  EXPECT_FALSE(sorted(1, "b", 1, "a"));
  EXPECT_FALSE(sorted(1, "a", 1, "a"));
  EXPECT_FALSE(sorted(std::nan(""), "a", 1, "b"));
}

TEST(Collection, KeepsNoMinusBeforeAZero) {
  CollectionWriter minus;
  CollectionWriter plain;
  minus.Add(-0.0, "a");
  plain.Add(0.0, "a");
  EXPECT_EQ(minus.Finish(), plain.Finish());
}

TEST(Wanted, FindsWhereANameWasFirstNamed) {
  const std::vector<std::string_view> words = {"HMGET", "key", "b", "a", "b", "", "c", "a"};
  const Wanted wanted(words, 2);
  ASSERT_EQ(wanted.size(), 6u);
  EXPECT_EQ(wanted.Find("b"), 0u);
  EXPECT_EQ(wanted.Find("a"), 1u);
  EXPECT_EQ(wanted.Find(""), 3u);
  EXPECT_EQ(wanted.Find("c"), 4u);
  EXPECT_EQ(wanted.Find("d"), 6u);
  EXPECT_TRUE(wanted.IsFirst(1));
  EXPECT_FALSE(wanted.IsFirst(5));
  const Wanted fields(words, 2, 2);
  EXPECT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields.Find("a"), 3u);
}

TEST(Places, CountFromTheEndWhenTheyAreNegative) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const size_t size : {0U, 1U, 5U}) {
    for (const int64_t start : {kLeast, int64_t{-6}, int64_t{-5}, int64_t{-1}, int64_t{0},
                                int64_t{4}, int64_t{5}, kMost}) {
      for (const int64_t stop : {kLeast, int64_t{-6}, int64_t{-5}, int64_t{-1}, int64_t{0},
                                 int64_t{3}, int64_t{4}, int64_t{5}, kMost}) {
        const Places places = PlacesOf(start, stop, size);
        for (size_t at = 0; at < size; ++at) {
          const auto from_begin = static_cast<int64_t>(at);
          const int64_t from_end = from_begin - static_cast<int64_t>(size);
          const bool expected = (start < 0 ? from_end : from_begin) >= start &&
                                (stop < 0 ? from_end : from_begin) <= stop;
          EXPECT_EQ(places.Hold(at), expected) << start << ' ' << stop << ' ' << at << '/' << size;
        }
        EXPECT_LE(places.end, size);
      }
    }
  }
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// TurnCache beside a plain model of a disk and a turn: whatever is asked of it, in whatever order,
// it never tells anything but what the turn has made of what the disk has.
#include "engine/turn_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace onced {
namespace {

using Record = TurnCache::Record;

class TurnCacheTwin {
 public:
  TurnCacheTwin(uint64_t seed, size_t kept_bytes) : random_(seed), cache_(kept_bytes) {}

  void Step() {
    const std::string key = "key" + std::to_string(Below(60));
    switch (Below(20)) {
      case 0:
        Commit();
        break;
      case 1:
        cache_.Abandon();
        turn_.clear();
        is_marked_ = false;
        break;
      case 2:
        Mark(key);
        break;
      case 3:
      case 4:
        Change(key, std::nullopt);
        break;
      default:
        Below(2) == 0 ? Change(key, std::string(Below(200), 'x') + std::to_string(Below(1'000)))
                      : Look(key);
    }
    EXPECT_EQ(cache_.IsUnchanged(), turn_.empty());
    EXPECT_EQ(cache_.changed_bytes(), TurnBytes());
  }
  size_t kept_bytes() const { return cache_.kept_bytes(); }
  size_t unknown() const { return unknown_; }

 private:
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  size_t TurnBytes() const {
    size_t bytes = 0;
    for (const auto& [key, record] : turn_) {
      bytes += key.size() + (record.has_value() ? record->size() : 0);
    }
    return bytes;
  }
  Record OnDisk(const std::string& key) const {
    const auto found = disk_.find(key);
    return found == disk_.end() ? Record() : Record(found->second);
  }
  void Look(const std::string& key) {
    const auto changed = turn_.find(key);
    const Record expected = changed != turn_.end() ? changed->second : OnDisk(key);
    if (const Record* const known = cache_.Find(key)) {
      EXPECT_EQ(*known, expected) << key;
      return;
    }
    EXPECT_EQ(changed, turn_.end()) << "what is of the turn is known";
    ++unknown_;
    if (expected.has_value()) {
      EXPECT_EQ(cache_.Keep(key, *expected), expected);
    }
  }
  void Change(const std::string& key, const Record& to) {
    cache_.Change(key, to);
    turn_[key] = to;
  }
  void Commit() {
    std::map<std::string, Record> seen;
    cache_.VisitChanged([&](const std::string& key, const Record& to) {
      EXPECT_TRUE(seen.emplace(key, to).second) << key << " twice";
    });
    EXPECT_EQ(seen, turn_);
    for (const auto& [key, to] : turn_) {
      if (to.has_value()) {
        disk_[key] = *to;
      } else {
        disk_.erase(key);
      }
    }
    turn_.clear();
    is_marked_ = false;
    cache_.Committed();
  }
  void Mark(const std::string& key) {
    if (!is_marked_) {
      cache_.Mark();
      is_marked_ = true;
      at_mark_ = turn_;
      return;
    }
    is_marked_ = false;
    if (Below(3) == 0) return cache_.ForgetMark();
    cache_.GoBack();
    turn_ = at_mark_;
    Look(key);
  }

  std::mt19937_64 random_;
  TurnCache cache_;
  std::map<std::string, std::string> disk_;
  std::map<std::string, Record> turn_;
  bool is_marked_ = false;
  std::map<std::string, Record> at_mark_;
  size_t unknown_ = 0;
};

TEST(TurnCache, IsTheDiskAndTheTurn) {
  for (const size_t kept : {size_t{0}, size_t{2'000}, size_t{1} << 20}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      TurnCacheTwin twin(seed, kept);
      for (int i = 0; i < 3'000; ++i) twin.Step();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", " << kept << " kept bytes";
    }
  }
}

TEST(TurnCache, KeepsWithinItsBytes) {
  TurnCache cache(50'000);
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = "key" + std::to_string(i);
    if (i % 2 == 0) {
      (void)cache.Keep(key, std::string(100, 'x'));
    } else {
      cache.Change(key, std::string(100, 'x'));
      cache.Committed();
    }
    EXPECT_LT(cache.kept_bytes(), 51'000u);
  }
}

// A script may read a million keys in one turn, after it has written some.
TEST(TurnCache, ForgetsNothingOfTheTurnToMakeRoom) {
  TurnCache cache(10'000);
  for (int i = 0; i < 1'000; ++i) cache.Change("new" + std::to_string(i), "value");
  for (int i = 0; i < 10'000; ++i) (void)cache.Keep("old" + std::to_string(i), "value");
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_NE(cache.Find("new" + std::to_string(i)), nullptr);
  }
  EXPECT_LT(cache.kept_bytes(), 11'000u);
}

// Those that are asked for again and again outlive those that were seen once.
TEST(TurnCache, KeepsWhatIsUsed) {
  TurnCache cache(100'000);
  (void)cache.Keep("hot", "value");
  int asked_again = 0;
  for (int i = 0; i < 10'000; ++i) {
    (void)cache.Keep("cold" + std::to_string(i), "value");
    if (cache.Find("hot") != nullptr) continue;
    ++asked_again;
    (void)cache.Keep("hot", "value");
  }
  EXPECT_LT(asked_again, 10);
}

}  // namespace
}  // namespace onced

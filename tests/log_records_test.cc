// SPDX-License-Identifier: MIT
// LogRecords finds the ends of a log's records however its bytes come, and sees what is none.
#include "tests/log_records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rocks_log_records.h"

namespace onced {
namespace {

// Records of every size about a block's end, among others; filled up with zeros as RocksDB does.
std::string SomeLog(std::mt19937& random) {
  constexpr size_t kBlock = 32U << 10;
  std::string log;
  while (log.size() < 8 * kBlock) {
    const size_t left = kBlock - log.size() % kBlock;
    if (left < 7) {
      log.append(left, '\0');
      continue;
    }
    const size_t most = left - 7;
    const size_t size = random() % 3 == 0 ? most - std::min<size_t>(most, random() % 10)
                                          : std::min<size_t>(most, random() % 9'000);
    log.append(HeadOfRecord(size)).append(size, 'x');
  }
  return log;
}

TEST(LogRecords, EndWhereTheyEndHoweverTheirBytesCome) {
  std::mt19937 random(11);
  for (int round = 0; round < 50; ++round) {
    const std::string log = SomeLog(random);
    const std::vector<size_t> ends = EndsOfRecords(log);
    LogRecords records;
    size_t reached = 0;  // of `ends`
    for (size_t at = 0; at < log.size();) {
      const size_t most = round % 2 == 0 ? 12 : 40'000;
      const size_t size = std::min<size_t>(log.size() - at, random() % most);
      ASSERT_TRUE(records.Follow(std::string_view(log).substr(at, size)));
      at += size;
      while (reached < ends.size() && ends[reached] <= at) ++reached;
      ASSERT_EQ(records.end(), reached == 0 ? 0 : ends[reached - 1]) << round << " at " << at;
    }
  }
}

TEST(LogRecords, AreNoneOfATypeThatOursHaveNot) {
  for (int type = 0; type < 256; ++type) {
    std::string second = HeadOfRecord(0);
    second.back() = static_cast<char>(type);
    LogRecords records;
    const bool fine = type >= 1 && type <= 4;
    EXPECT_EQ(records.Follow(HeadOfRecord(2) + "ab" + second), fine) << type;
    EXPECT_EQ(records.Follow(HeadOfRecord(0)), fine) << type;
    EXPECT_EQ(records.end(), fine ? 23U : 9U) << type;
  }
}

TEST(LogRecords, CrossNoEndOfABlock) {
  LogRecords fits;
  EXPECT_TRUE(fits.Follow(HeadOfRecord(32'768 - 7)));
  EXPECT_EQ(fits.end(), 0U);
  LogRecords crosses;
  EXPECT_FALSE(crosses.Follow(HeadOfRecord(32'768 - 6)));
}

}  // namespace
}  // namespace onced

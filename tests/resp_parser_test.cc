// SPDX-License-Identifier: MIT
// RespParser: takes the same commands however their bytes are cut, and says what is wrong in Redis'
// own words.
#include "server/redis/resp_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/resp_corners.h"
#include "tests/resp_pieces.h"

namespace onced {
namespace {

using redis::RespLimits;
using Words = std::vector<std::string>;

RespPieces InPieces(const std::string& bytes, size_t step, const RespLimits& limits = {}) {
  return ParsedInPieces(bytes, step, step, limits);
}

// In two, at every byte, and byte by byte.
TEST(RespParser, TakesCornersHoweverTheyAreCut) {
  constexpr size_t kLong = 1'000;
  for (const std::string& bytes : RespCorners()) {
    const RespPieces whole = InPieces(bytes, bytes.size());
    EXPECT_EQ(InPieces(bytes, bytes.size() > kLong ? kLong / 2 : 1), whole);
    for (size_t first = 1; first<bytes.size(); first += bytes.size()> kLong ? 997 : 1) {
      EXPECT_EQ(ParsedInPieces(bytes, first, bytes.size()), whole)
          << first << ": " << bytes.substr(0, kLong);
    }
  }
}

TEST(RespParser, TakesCommandsHoweverTheyAreCut) {
  const std::string bytes =
      "*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*0\r\n*-1\r\n\r\nPING \"a b\" 'c\\'d' x\\y\n"
      "*1\r\n$0\r\n\r\nSET a \"\\x00\\n\\\"\"\r\n";
  const RespPieces whole = InPieces(bytes, bytes.size());
  ASSERT_EQ(whole.error, "");
  const std::vector<Words> expected = {{"GET", "a\r\nb"},
                                       {"PING", "a b", "c'd", "x\\y"},
                                       {""},
                                       {"SET", "a", std::string("\0\n\"", 3)}};
  EXPECT_EQ(whole.commands, expected);
  for (size_t step = 1; step < bytes.size(); ++step)
    EXPECT_EQ(InPieces(bytes, step), whole) << step;
}

TEST(RespParser, SaysWhatIsWrongAsRedisDoes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"*1\r\nfoo\r\n", "expected '$', got 'f'"},
      {"*x\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$abc\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"GET \"a\r\n", "unbalanced quotes in request"},
      {"GET \"a\"b\r\n", "unbalanced quotes in request"},
      {"GET 'a\r\n", "unbalanced quotes in request"},
      {std::string(70'000, 'x'), "too big inline request"},
      {"*" + std::string(70'000, '1'), "too big mbulk count string"},
      {"*1\r\n$" + std::string(70'000, '1'), "too big bulk count string"},
  };
  for (const auto& [bytes, error] : cases) {
    EXPECT_EQ(InPieces(bytes, bytes.size()).error, "Protocol error: " + error);
    if (bytes.size() < 100) {
      EXPECT_EQ(InPieces(bytes, 1).error, "Protocol error: " + error);
    }
  }
}

TEST(RespParser, TakesLittleFromStrangers) {
  const RespLimits strangers{.unauthenticated = true};
  EXPECT_EQ(InPieces("*11\r\n", 100, strangers).error,
            "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(InPieces("*1\r\n$16385\r\n", 100, strangers).error,
            "Protocol error: unauthenticated bulk length");
  EXPECT_EQ(InPieces("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", 100, strangers).commands,
            (std::vector<Words>{{"AUTH", "x"}}));
}

}  // namespace
}  // namespace onced

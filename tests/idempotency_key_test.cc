// SPDX-License-Identifier: MIT
// The key in a header: quoted and bare are one, and what could be read in two ways is refused.
#include "server/web/idempotency_key.h"

#include <gtest/gtest.h>

#include <string>

namespace onced {
namespace {

std::string Read(const std::string& value) {
  const Result<std::string> key = ReadKey("Idempotency-Key", value);
  return key.ok() ? *key : "(" + key.status().message() + ")";
}
bool Refused(const std::string& value) { return Read(value).starts_with("(Idempotency-Key: "); }

TEST(IdempotencyKey, IsTheSameQuotedAndBare) {
  EXPECT_EQ("8e03978e-40d5", Read("8e03978e-40d5"));
  EXPECT_EQ("8e03978e-40d5", Read("\"8e03978e-40d5\""));
}

TEST(IdempotencyKey, MayHoldQuotesAndBackslashesWhenItIsQuoted) {
  EXPECT_EQ("a\"b\\c", Read(R"("a\"b\\c")"));
  EXPECT_EQ("a\\b", Read("a\\b"));
}

TEST(IdempotencyKey, IsRefusedWhenItsQuotesCanBeReadInTwoWays) {
  for (const char* value : {"\"abc", "abc\"", "\"", "a\"b", "\"a\"b\"", "\"a\";x=1", "\"a\" ",
                            R"("a\")", R"("a\b")", "\"\"", ""}) {
    EXPECT_TRUE(Refused(value)) << value;
  }
}

TEST(IdempotencyKey, Has255PrintableCharactersAtMost) {
  EXPECT_EQ(std::string(255, 'k'), Read(std::string(255, 'k')));
  EXPECT_EQ(std::string(255, 'k'), Read("\"" + std::string(255, 'k') + "\""));
  for (const std::string& value : {std::string(256, 'k'), std::string("a b"), std::string("a\x7f"),
                                   std::string("\xc3\xa4"), std::string("\"a\tb\"")}) {
    EXPECT_TRUE(Refused(value)) << value;
  }
}

TEST(IdempotencyKey, IsRefusedWhenThereAreTwo) {
  wire::Request request;
  EXPECT_FALSE(KeyInHeader(request, kKeyHeader)->has_value());
  request.headers = {{"idempotency-key", "a"}};
  EXPECT_EQ("a", **KeyInHeader(request, kKeyHeader));
  request.headers.emplace_back("Idempotency-Key", "a");
  EXPECT_FALSE(KeyInHeader(request, kKeyHeader).ok());
}

}  // namespace
}  // namespace onced

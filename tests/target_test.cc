// SPDX-License-Identifier: MIT
// The target of a request: split first, decoded once, nothing repaired.
#include "server/http/target.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace onced {
namespace {

using Path = std::vector<std::string>;

Path PathOf(const std::string& raw) {
  const Result<Target> target = Target::Parse(raw);
  return target.ok() ? target->path() : Path{"refused", target.status().message()};
}

Target Parsed(const std::string& raw) {
  Result<Target> target = Target::Parse(raw);
  EXPECT_TRUE(target.ok()) << raw << ": " << target.status().message();
  return *std::move(target);
}

std::string Refusal(const std::string& raw) {
  const Result<Target> target = Target::Parse(raw);
  return target.ok() ? "accepted" : target.status().message();
}

TEST(Target, IsSplitBeforeItIsDecoded) {
  EXPECT_EQ(PathOf("/v1/keys/a%2Fresult"), (Path{"v1", "keys", "a/result"}));
  EXPECT_EQ(PathOf("/v1/keys/a%3Fb%26c"), (Path{"v1", "keys", "a?b&c"}));
  const Target query_target = Parsed("/?a=1%262=3&b%3D=%26");
  Query query(query_target);
  EXPECT_EQ(query.Text("a"), "1&2=3");
  EXPECT_EQ(query.Text("b="), "&");
}

TEST(Target, IsDecodedOnce) {
  EXPECT_EQ(PathOf("/%2541"), (Path{"%41"}));
  EXPECT_EQ(PathOf("/%25252F"), (Path{"%252F"}));
  EXPECT_EQ(PathOf("/%7e%7E%c3%A9"), (Path{"~~\xC3\xA9"}));
}

TEST(Target, KeepsPlusAsPlus) {
  EXPECT_EQ(PathOf("/a+b%2Bc"), (Path{"a+b+c"}));
  const Target query_target = Parsed("/?q=a+b");
  Query query(query_target);
  EXPECT_EQ(query.Text("q"), "a+b");
}

TEST(Target, KeepsDotsAndEmptyPartsAsTheyAre) {
  EXPECT_EQ(PathOf("/v1/../keys/./"), (Path{"v1", "..", "keys", ".", ""}));
  EXPECT_EQ(PathOf("/"), (Path{""}));
  EXPECT_EQ(PathOf("//a"), (Path{"", "a"}));
}

TEST(Target, RefusesWhatDoesNotDecode) {
  for (const char* raw : {"/%", "/%2", "/%zz", "/%2g", "/a%", "/?a=%", "/?%=a", "/?a=%0"}) {
    EXPECT_EQ(Refusal(raw), "target: malformed percent escape") << raw;
  }
  for (const char* raw : {"/%00", "/%0a", "/%1F", "/%7f", "/?a=%0D%0A", "/?%00=a"}) {
    EXPECT_EQ(Refusal(raw), "target: control character") << raw;
  }
  EXPECT_EQ(Refusal("v1"), "target: must start with '/'");
  EXPECT_EQ(Refusal(""), "target: must start with '/'");
}

TEST(Target, RefusesAParameterGivenTwice) {
  EXPECT_EQ(Refusal("/?a=1&b=2&a=1"), "a: given more than once");
  EXPECT_EQ(Refusal("/?a=1&%61=2"), "a: given more than once");
  EXPECT_EQ(Refusal("/?a&a"), "a: given more than once");
}

TEST(Target, MatchesAPatternPartByPart) {
  const Target key = Parsed("/v1/keys/k?x=1");
  EXPECT_TRUE(key.Is("/v1/keys/*"));
  EXPECT_TRUE(key.Is("/v1/*/k"));
  EXPECT_FALSE(key.Is("/v1/keys"));
  EXPECT_FALSE(key.Is("/v1/keys/*/result"));
  EXPECT_FALSE(Parsed("/v1/keys/a%2Fresult").Is("/v1/keys/*/result"));
  EXPECT_FALSE(Parsed("/v1/claim/").Is("/v1/claim"));
  EXPECT_FALSE(Parsed("/V1/claim").Is("/v1/claim"));
}

TEST(Query, ReadsWholeNumbersWithinTheirLimits) {
  const Target target = Parsed("/?ok=30&low=0&high=31&text=x&half=1.5&sign=%2B5&space=5%20&none=");
  for (const char* bad : {"low", "high", "text", "half", "sign", "space", "none"}) {
    Query query(target);
    EXPECT_EQ(query.Integer(bad, 1, 30), std::nullopt) << bad;
    EXPECT_EQ(query.Finish().message(), std::string(bad) + ": must be 1..30");
  }
  Query query(target);
  EXPECT_EQ(query.Integer("ok", 1, 30), 30);
  EXPECT_EQ(query.Integer("absent", 1, 30), std::nullopt);
}

TEST(Query, ReadsFlags) {
  const Target query_target = Parsed("/?bare&yes=true&one=1&no=false&zero=0");
  Query query(query_target);
  EXPECT_TRUE(query.Flag("bare"));
  EXPECT_TRUE(query.Flag("yes"));
  EXPECT_TRUE(query.Flag("one"));
  EXPECT_FALSE(query.Flag("no"));
  EXPECT_FALSE(query.Flag("zero"));
  EXPECT_FALSE(query.Flag("absent"));
  EXPECT_TRUE(query.Finish().ok());
  const Target odd_target = Parsed("/?force=yes");
  Query odd(odd_target);
  (void)odd.Flag("force");
  EXPECT_EQ(odd.Finish().message(), "force: must be true or false");
}

TEST(Query, RefusesWhatNobodyAskedFor) {
  const Target target = Parsed("/?scope=a&scpoe=b");
  Query query(target);
  EXPECT_EQ(query.Text("scope"), "a");
  EXPECT_EQ(query.Finish().message(), "scpoe: unknown parameter");
  const Target bare = Parsed("/?");
  EXPECT_TRUE(Query(bare).Finish().ok());
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Keys: what is accepted, that no two keys share their bytes, and how a key is made for a caller
// who brings none.
#include "engine/key.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "engine/keygen.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

std::string Named(const Result<Key>& key) {
  return key.ok() ? "" : key.status().message().substr(0, key.status().message().find(':'));
}

TEST(Key, IsAcceptedUpToItsLimits) {
  for (const size_t length : {size_t{1}, size_t{254}, size_t{255}}) {
    EXPECT_TRUE(Key::Make("t", "s", std::string(length, 'k')).ok()) << length;
    EXPECT_TRUE(Key::Make("t", std::string(length, 's'), "k").ok()) << length;
  }
  EXPECT_TRUE(Key::Make(std::string(64, 't'), "s", "k").ok());
}

TEST(Key, IsRefusedBeyondItsLimitsAndTheFieldIsNamed) {
  EXPECT_EQ(Named(Key::Make("t", "s", "")), "key");
  EXPECT_EQ(Named(Key::Make("t", "s", std::string(256, 'k'))), "key");
  EXPECT_EQ(Named(Key::Make("t", "", "k")), "scope");
  EXPECT_EQ(Named(Key::Make("t", std::string(256, 's'), "k")), "scope");
  EXPECT_EQ(Named(Key::Make("", "s", "k")), "tenant");
  EXPECT_EQ(Named(Key::Make(std::string(65, 't'), "s", "k")), "tenant");
}

TEST(Key, TakesPrintableAsciiAndNothingElse) {
  for (int c = 0; c < 256; ++c) {
    const std::string text(1, static_cast<char>(c));
    const bool printable = c >= 0x21 && c <= 0x7E;
    EXPECT_EQ(Key::Make("t", "s", text).ok(), printable) << c;
    EXPECT_EQ(Key::Make("t", text, "k").ok(), printable) << c;
    EXPECT_EQ(Key::Make(text, "s", "k").ok(), printable) << c;
    EXPECT_EQ(Key::Make("t", "s", "a" + text + "b").ok(), printable) << c;
  }
}

TEST(Key, GivesBackItsParts) {
  const Key key = K("order/7", "payments", "acme");
  EXPECT_EQ(key.tenant(), "acme");
  EXPECT_EQ(key.scope(), "payments");
  EXPECT_EQ(key.key(), "order/7");
  EXPECT_EQ(Value(Key::Decode(key.encoded())), key);
}

// Parts of few letters, so that one part's tail is often another's head.
TEST(Key, SharesItsBytesWithNoOther) {
  const uint64_t seed = Seed(1);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto part = [&](size_t most) {
    // Small bytes too: a length written as a byte must not be mistaken for text.
    std::string out(1 + random() % most, '!');
    for (char& c : out) c = random() % 2 == 0 ? '!' : '"';
    return out;
  };
  std::map<std::string, std::tuple<std::string, std::string, std::string>> owner;
  for (int i = 0; i < 100'000; ++i) {
    const auto parts = std::tuple(part(4), part(40), part(40));
    const Key key = Value(Key::Make(std::get<0>(parts), std::get<1>(parts), std::get<2>(parts)));
    const auto [at, fresh] = owner.emplace(key.encoded(), parts);
    ASSERT_EQ(at->second, parts) << "two keys with equal bytes";
    const Key again = Value(Key::Decode(key.encoded()));
    ASSERT_EQ(std::tuple(std::string(again.tenant()), std::string(again.scope()),
                         std::string(again.key())),
              parts);
  }
}

TEST(Key, DecodesAnyBytesOrRefusesThem) {
  const uint64_t seed = Seed(2);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes(random() % 24, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 8);
    const Result<Key> key = Key::Decode(bytes);
    if (!key.ok()) continue;
    ASSERT_EQ(key->encoded(), bytes);
    ASSERT_EQ(2 + key->tenant().size() + key->scope().size() + key->key().size(), bytes.size());
  }
}

TEST(Key, StandsNextToItsNeighboursOfOneScope) {
  std::set<std::string> encoded = {K("a").encoded(), K("b").encoded(), K("a", "zz").encoded(),
                                   K("a", "default", "t2").encoded()};
  const std::string prefix = Key::EncodedPrefix("default", "default", "");
  auto at = encoded.lower_bound(prefix);
  ASSERT_NE(at, encoded.end());
  EXPECT_EQ(*at++, K("a").encoded());
  EXPECT_EQ(*at++, K("b").encoded());
  EXPECT_TRUE(at == encoded.end() || !at->starts_with(prefix));
}

TEST(DerivedKey, DependsOnItsContentAndPrefixAlone) {
  EXPECT_EQ(DerivedKey("", "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(DerivedKey("pay", "abc"), "pay:" + DerivedKey("", "abc"));
  EXPECT_NE(DerivedKey("", "abd"), DerivedKey("", "abc"));
}

TEST(UniqueKey, IsPrefixSecondsAndAVersionFourUuid) {
  const std::string key = UniqueKey("pay", 1'700'000'000);
  ASSERT_TRUE(key.starts_with("pay:1700000000:")) << key;
  const std::string uuid = key.substr(15);
  ASSERT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
  for (const size_t at : {8, 13, 18, 23}) EXPECT_EQ(uuid[at], '-');
  EXPECT_TRUE(UniqueKey("", 5).starts_with("5:"));
  EXPECT_TRUE(Key::Make("t", "s", key).ok());
}

TEST(UniqueKey, IsNeverMadeTwice) {
  std::set<std::string> made;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(made.insert(UniqueKey("", 0)).second);
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Fields of a body, by name: the first thing wrong is what is told, and nothing is ignored.
#include "server/http/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

namespace onced {
namespace {

std::string Quoted(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}

// What Finish() says after `read` has read the body, or what Parse says.
std::string Verdict(const std::string& body, const std::function<void(Fields&)>& read) {
  Result<Fields> fields = Fields::Parse(body, {.depth_max = 8});
  if (!fields.ok()) return fields.status().message();
  read(*fields);
  const Status finished = fields->Finish();
  return finished.ok() ? "fine" : finished.message();
}

TEST(Fields, GiveValuesByName) {
  const std::string body = Quoted(
      "{'t':'a\\u0041\\n','n':-9223372036854775808,'yes':true,'no':false,"
      "'raw': [1e999, '\\ud800' ] ,'fence':'18446744073709551615','c':'two'}");
  Result<Fields> fields = Fields::Parse(body, {.depth_max = 8});
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(fields->Text("t"), "aA\n");
  EXPECT_EQ(fields->OptionalInteger("n"), INT64_MIN);
  EXPECT_TRUE(fields->OptionalFlag("yes"));
  EXPECT_FALSE(fields->OptionalFlag("no"));
  EXPECT_EQ(fields->OptionalRaw("raw"), Quoted("[1e999, '\\ud800' ]"));
  EXPECT_EQ(fields->OptionalFence("fence"), UINT64_MAX);
  EXPECT_EQ(fields->OptionalChoice("c", "one", "two"), true);
  EXPECT_TRUE(fields->Finish().ok());
}

TEST(Fields, ThatAreAbsentAreNoErrorUnlessRequired) {
  EXPECT_EQ(Verdict("{}",
                    [](Fields& f) {
                      EXPECT_EQ(f.OptionalText("a"), std::nullopt);
                      EXPECT_EQ(f.OptionalInteger("b"), std::nullopt);
                      EXPECT_FALSE(f.OptionalFlag("c"));
                      EXPECT_EQ(f.OptionalRaw("d"), std::nullopt);
                      EXPECT_EQ(f.OptionalFence("e"), std::nullopt);
                      EXPECT_EQ(f.OptionalChoice("g", "x", "y"), std::nullopt);
                    }),
            "fine");
  EXPECT_EQ(Verdict("{}", [](Fields& f) { (void)f.Text("key"); }), "key: is required");
}

TEST(Fields, OfTheWrongTypeAreNamed) {
  for (const char* value : {"1", "true", "null", "[]", "{}"}) {
    const std::string body = Quoted(std::string("{'f':") + value + "}");
    EXPECT_EQ(Verdict(body, [](Fields& f) { (void)f.Text("f"); }), "f: must be a string") << value;
    EXPECT_EQ(Verdict(body, [](Fields& f) { (void)f.OptionalFence("f"); }), "f: must be a string");
  }
  for (const char* value : {"'1'", "true", "null", "1.0", "1e3", "-0.5"}) {
    EXPECT_EQ(Verdict(Quoted(std::string("{'f':") + value + "}"),
                      [](Fields& f) { (void)f.OptionalInteger("f"); }),
              "f: must be an integer")
        << value;
  }
  EXPECT_EQ(
      Verdict(Quoted("{'f':9223372036854775808}"), [](Fields& f) { (void)f.OptionalInteger("f"); }),
      "f: integer out of range");
  for (const char* value : {"'true'", "1", "null"}) {
    EXPECT_EQ(Verdict(Quoted(std::string("{'f':") + value + "}"),
                      [](Fields& f) { (void)f.OptionalFlag("f"); }),
              "f: must be true or false");
  }
  EXPECT_EQ(Verdict(Quoted("{'f':'three'}"),
                    [](Fields& f) { (void)f.OptionalChoice("f", "one", "two"); }),
            Quoted("f: must be 'one' or 'two'"));
}

TEST(Fields, TakeAFenceOnlyAsTheClaimGaveIt) {
  for (const char* fence : {"", "0", "-1", "+1", " 1", "1 ", "0x1", "1.0", "1e3", "one",
                            "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_EQ(Verdict(Quoted(std::string("{'fence':'") + fence + "'}"),
                      [](Fields& f) { (void)f.OptionalFence("fence"); }),
              "fence: must be the decimal number, in a string, that the claim gave")
        << fence;
  }
}

TEST(Fields, ThatNobodyAskedForAreRefused) {
  const auto reads_a = [](Fields& f) { (void)f.OptionalText("a"); };
  EXPECT_EQ(Verdict(Quoted("{'a':'x','b':1}"), reads_a), "b: unknown field");
  EXPECT_EQ(Verdict(Quoted("{'A':'x'}"), reads_a), "A: unknown field");
  EXPECT_EQ(Verdict(Quoted("{'':1}"), reads_a).find("unknown field"), 2u);
  const std::string shown =
      Verdict(Quoted("{'\\n\\u00e9" + std::string(100, 'x') + "':1}"), reads_a);
  EXPECT_LT(shown.size(), 100u);
  EXPECT_EQ(shown.find('\n'), std::string::npos);
}

TEST(Fields, TellTheFirstThingWrong) {
  EXPECT_EQ(Verdict(Quoted("{'a':1,'b':2,'x':3}"),
                    [](Fields& f) {
                      (void)f.Text("b");
                      (void)f.Text("a");
                      f.Fail("c: also");
                    }),
            "b: must be a string");
}

TEST(Fields, WantAnObjectWithEachNameOnce) {
  const auto reads = [](Fields& f) { (void)f.OptionalRaw("a"); };
  EXPECT_EQ(Verdict(Quoted("{'a':1,'a':1}"), reads), Quoted("body: duplicate field 'a'"));
  EXPECT_EQ(Verdict(Quoted("{'a':1,'\\u0061':2}"), reads), Quoted("body: duplicate field 'a'"));
  EXPECT_EQ(Verdict(Quoted("{'a':{'b':1,'b':2}}"), reads), "fine") << "the value is kept as it is";
  for (const char* body : {"", "[]", "1", "null", "\"a\"", "{", "{\"a\":1}}", "{\"a\":1,}", "{a:1}",
                           "{'a':1}", "\xEF\xBB\xBF{}", "{\"a\":\"\xFF\"}", "{\"a\":01}"}) {
    EXPECT_TRUE(Verdict(body, reads).starts_with("body: ")) << body << ": " << Verdict(body, reads);
  }
}

TEST(Fields, GoAsDeepAsTheyMay) {
  const auto reads = [](Fields& f) { (void)f.OptionalRaw("a"); };
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']') + "}";
  };
  EXPECT_EQ(Verdict(nested(7), reads), "fine");
  EXPECT_EQ(Verdict(nested(8), reads), "body: nested deeper than 8");
}

// It said "deeper than 33" where 32 is published: the body's own braces were counted.
TEST(Fields, CountOnlyTheCallersDepthInWhatTheySay) {
  const std::string brackets(33, '[');
  EXPECT_EQ(Fields::Parse("{\"a\":" + brackets + "}", {.depth_max = 32, .envelope = 1})
                .status()
                .message(),
            "body: nested deeper than 32");
}

}  // namespace
}  // namespace onced

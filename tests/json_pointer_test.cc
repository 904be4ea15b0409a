// SPDX-License-Identifier: MIT
// JsonPointer: finds what RFC 6901 says it names, and leaves out no more than that.
#include "server/json/json_pointer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace onced {
namespace {

// The example of RFC 6901, section 5, but for its keys' order.
constexpr char kExample[] =
    R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8})";

std::string At(const std::string& json, const std::string& text) {
  const Result<JsonPointer> pointer = JsonPointer::Parse(text);
  if (!pointer.ok()) return "(pointer)";
  const Result<std::optional<JsonValue>> value = ValueAt(json, *pointer);
  if (!value.ok()) return "(json)";
  return value->has_value() ? std::string((*value)->raw) : "(none)";
}

std::string Without(const std::string& json, const std::vector<std::string>& texts) {
  std::vector<JsonPointer> pointers;
  for (const std::string& text : texts) pointers.push_back(*JsonPointer::Parse(text));
  const Result<std::string> rest = WithoutValues(json, pointers);
  return rest.ok() ? *rest : "(json)";
}

TEST(JsonPointer, FindsWhatTheStandardsExampleSays) {
  EXPECT_EQ(kExample, At(kExample, ""));
  EXPECT_EQ(R"(["bar","baz"])", At(kExample, "/foo"));
  EXPECT_EQ(R"("bar")", At(kExample, "/foo/0"));
  EXPECT_EQ("0", At(kExample, "/"));
  EXPECT_EQ("1", At(kExample, "/a~1b"));
  EXPECT_EQ("2", At(kExample, "/c%d"));
  EXPECT_EQ("3", At(kExample, "/e^f"));
  EXPECT_EQ("4", At(kExample, "/g|h"));
  EXPECT_EQ("5", At(kExample, "/i\\j"));
  EXPECT_EQ("6", At(kExample, "/k\"l"));
  EXPECT_EQ("7", At(kExample, "/ "));
  EXPECT_EQ("8", At(kExample, "/m~0n"));
}

TEST(JsonPointer, FindsNothingWhereThereIsNothing) {
  for (const char* text : {"/bar", "/foo/2", "/foo/-", "/foo/00", "/foo/0/x", "//", "/a/b"}) {
    EXPECT_EQ("(none)", At(kExample, text)) << text;
  }
}

TEST(JsonPointer, FindsObjectsAndArraysInArrays) {
  EXPECT_EQ(R"({"b":[2]})", At(R"([1,{"b":[2]},3])", "/1"));
  EXPECT_EQ("[2]", At(R"([1,{"b":[2]},3])", "/1/b"));
  EXPECT_EQ("3", At(R"([1,{"b":[2]},3])", "/2"));
}

TEST(JsonPointer, IsRefusedWhenItIsNone) {
  for (const char* text : {"a", "a/b", "/~", "/~2", "/a~"}) {
    EXPECT_EQ("(pointer)", At("{}", text)) << text;
  }
  EXPECT_EQ("(json)", At("{", "/a"));
  EXPECT_EQ("(json)", At("", "/a"));
}

TEST(JsonPointer, DoesNotChooseBetweenTwoOfAName) {
  for (const char* json :
       {R"({"a":{"b":1,"b":2}})", R"({"a":{"b":1},"a":{"b":1}})", R"({"a":{"b":{},"b":[]}})"}) {
    EXPECT_EQ("(json)", At(json, "/a/b")) << json;
  }
  EXPECT_EQ("1", At(R"({"a":{"b":1,"c":2,"c":3},"d":{"b":4}})", "/a/b"));
  EXPECT_EQ("[2]", At(R"([1,[2],[2]])", "/1"));
}

TEST(JsonPointer, LeavesOutMembersWithTheirCommas) {
  EXPECT_EQ(R"({"b":2})", Without(R"({"a":1, "b":2})", {"/a"}));
  EXPECT_EQ(R"({"a":1})", Without(R"({"a":1, "b":{"c":[3]}})", {"/b"}));
  EXPECT_EQ(R"({"a":1,"c":3})", Without(R"({"a":1,"b":2,"c":3})", {"/b"}));
  EXPECT_EQ("{}", Without(R"({"a":1})", {"/a"}));
  EXPECT_EQ(R"({"a":{}})", Without(R"({"a":{"b":[1,2]}})", {"/a/b"}));
  EXPECT_EQ(R"({"a":1})", Without(R"({"a":1})", {"/x/y"}));
}

TEST(JsonPointer, LeavesAnElementsPlaceInItsArray) {
  EXPECT_EQ("[1,null,3]", Without("[1,2,3]", {"/1"}));
  EXPECT_EQ("[1,null,3]", Without(R"([1,{"a":[[]]},3])", {"/1"}));
  EXPECT_EQ(R"([{"b":1},{"b":2}])", Without(R"([{"a":0,"b":1},{"a":0,"b":2}])", {"/0/a", "/1/a"}));
}

}  // namespace
}  // namespace onced

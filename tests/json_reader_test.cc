// SPDX-License-Identifier: MIT
// What the JSON reader promises: it takes exactly RFC 8259, names what is wrong and where, keeps
// the bytes of every value, and does not care how hostile the text is. And that JsonWriter writes
// what the reader reads.
#include "server/json/json_reader.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "server/json/json_writer.h"

namespace onced {
namespace {

std::string Repeat(std::string_view part, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

std::string Nested(int depth) { return Repeat("[", depth) + Repeat("]", depth); }

// "" when `text` is a valid value, else the message.
std::string Verdict(std::string_view text, const JsonRules& rules = {}) {
  return ValidateJson(text, rules).message();
}

std::string ParseError(std::string_view body) {
  const Result<JsonObject> object = JsonObject::Parse(body);
  return object.ok() ? "" : object.status().message();
}

JsonMember Only(std::string_view body) {
  const Result<JsonObject> object = JsonObject::Parse(body);
  EXPECT_TRUE(object.ok()) << object.status().message();
  return object.ok() && object->members().size() == 1 ? object->members()[0] : JsonMember();
}

struct Hostile {
  std::string text;
  std::string error;
};

using namespace std::string_literals;  // for texts with a NUL in them

// Texts that are no JSON at all, and what a human is told.
const std::vector<Hostile> kNotJson = {
    {"", "body: empty"},
    {" \r\n\t", "body: empty"},
    {"\xEF\xBB\xBF{}", "body: byte order mark at byte 0"},
    {"hello", "body: expected a value at byte 0"},
    {"\0"s, "body: expected a value at byte 0"},
    {"\xFF", "body: expected a value at byte 0"},
    {"\xC2\xA0{}", "body: expected a value at byte 0"},  // a no-break space is not white space
    {"NaN", "body: expected a value at byte 0"},
    {"-Infinity", "body: expected a digit at byte 1"},
    {"{} \0"s, "body: extra text after the value at byte 3"},
    {"[1] // done", "body: extra text after the value at byte 4"},
    {"'a'", "body: expected a value at byte 0"},
    {"[", "body: expected a value or ']' at byte 1 (end of text)"},
    {"[,1]", "body: expected a value or ']' at byte 1"},
    {"[1,]", "body: expected a value at byte 3"},
    {"[1 2]", "body: expected ',' or ']' at byte 3"},
    {"[1,", "body: expected a value at byte 3 (end of text)"},
    {"{", "body: expected a field name or '}' at byte 1 (end of text)"},
    {"{a:1}", "body: expected a field name or '}' at byte 1"},
    {"{\"a\"}", "body: expected ':' at byte 4"},
    {"{\"a\" 1}", "body: expected ':' at byte 5"},
    {"{\"a\":1,}", "body: expected a field name at byte 7"},
    {"{\"a\":1 \"b\":2}", "body: expected ',' or '}' at byte 7"},
    {"{\"a\":1]", "body: expected ',' or '}' at byte 6"},
    {"{\"key\":\"k\",\"lease", "body: unterminated string at byte 11"},
    {"\"", "body: unterminated string at byte 0"},
    {"\"\\", "body: bad escape in a string at byte 1"},
    {"\"abc\\\"", "body: unterminated string at byte 0"},
    {"\"\\'\"", "body: bad escape in a string at byte 1"},
    {"\"\\\0\""s, "body: bad escape in a string at byte 1"},
    {"\"\\u12g4\"", "body: bad escape in a string at byte 1"},
    {"\"\\u+123\"", "body: bad escape in a string at byte 1"},
    {"\"\\u00", "body: bad escape in a string at byte 1"},
    {"\"a\nb\"", "body: control character in a string at byte 2"},
    {"\"\0\""s, "body: control character in a string at byte 1"},
    {"\"1234567\x80\"", "body: not valid UTF-8 at byte 8"},       // a stray continuation
    {"\"\xC0\x80\"", "body: not valid UTF-8 at byte 1"},          // overlong NUL
    {"\"\xC1\xBF\"", "body: not valid UTF-8 at byte 1"},          // overlong, two bytes
    {"\"\xE0\x9F\xBF\"", "body: not valid UTF-8 at byte 1"},      // overlong, three bytes
    {"\"\xF0\x8F\xBF\xBF\"", "body: not valid UTF-8 at byte 1"},  // overlong, four bytes
    {"\"\xED\xA0\x80\"", "body: not valid UTF-8 at byte 1"},      // U+D800 in UTF-8
    {"\"\xF4\x90\x80\x80\"", "body: not valid UTF-8 at byte 1"},  // U+110000
    {"\"\xF5\x80\x80\x80\"", "body: not valid UTF-8 at byte 1"},  // far beyond
    {"\"ok \xE2\x82\"", "body: not valid UTF-8 at byte 4"},       // cut short by the quote
    {"\"\xF0\x9F\x98", "body: not valid UTF-8 at byte 1"},        // cut short by the end
    {"{\"\xFF\":1}", "body: not valid UTF-8 at byte 2"},          // in a name too
    {"01", "body: number with a leading zero at byte 0"},
    {"+1", "body: expected a value at byte 0"},
    {".5", "body: expected a value at byte 0"},
    {"-", "body: expected a digit at byte 1 (end of text)"},
    {"[1.]", "body: expected a digit at byte 3"},
    {"1e+", "body: expected a digit at byte 3 (end of text)"},
    {"0x10", "body: extra text after the value at byte 1"},
    {"1 000", "body: extra text after the value at byte 2"},
    {Nested(33), "body: nested deeper than 32"},
    {Repeat("[", 1 << 20), "body: nested deeper than 32"},
    {Repeat("{\"a\":", 100000), "body: nested deeper than 32"},
};

TEST(JsonReader, SaysWhatIsWrongAndWhere) {
  for (const Hostile& hostile : kNotJson) {
    EXPECT_EQ(Verdict(hostile.text), hostile.error) << hostile.text.substr(0, 40);
    EXPECT_FALSE(JsonObject::Parse(hostile.text).ok()) << hostile.text.substr(0, 40);
    EXPECT_FALSE(JsonArrayElements(hostile.text).ok()) << hostile.text.substr(0, 40);
  }
}

TEST(JsonReader, TheErrorInAFieldIsTheErrorOfTheBody) {
  for (const Hostile& hostile : kNotJson) {
    const std::string body = "{\"result\":" + hostile.text + "}";
    EXPECT_NE(ParseError(body), "") << hostile.text.substr(0, 40);
    EXPECT_EQ(ParseError(body), Verdict(body)) << hostile.text.substr(0, 40);
  }
}

TEST(JsonReader, TakesEverythingThatIsJson) {
  const std::string all =
      std::string(R"([0,-0,-0.0e-0,1E+2,1e999,123456789012345678901234567890,)") +
      R"(true,false,null,"",[],{},[[[],{}],[1,-2.5,"x",null]],"\ud800",)" +
      R"({"a":{"b":1,"b":2}},"\uDC00\uD800","\"\\\/\b\f\n\r\t\u0000\uabcD",)" +
      "\t{\r\n\"\" : {} }\n,\"\x7F\",\"\xC2\x80\xDF\xBF\",\"\xE0\xA0\x80\"," +
      "\"\xED\x9F\xBF\xEE\x80\x80\",\"\xEF\xBF\xBF\",\"\xEF\xBB\xBF\"," +
      "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"]";
  const Result<std::vector<std::string_view>> each = JsonArrayElements(all);
  ASSERT_TRUE(each.ok()) << each.status().message();
  EXPECT_EQ(each->size(), 25u);
  for (const std::string_view text : *each) EXPECT_EQ(Verdict(text), "") << text;
}

TEST(JsonReader, DepthIsCountedInOpenBracketsAndTheLimitIsTheCallers) {
  EXPECT_EQ(Verdict(Nested(32)), "");
  EXPECT_EQ(Verdict(Repeat("{\"a\":", 32) + "1" + Repeat("}", 32)), "");
  EXPECT_EQ(Verdict(Repeat("[{\"a\":", 16) + "1" + Repeat("}]", 16)), "");
  EXPECT_EQ(Verdict(Repeat("[{\"a\":", 16) + "[]" + Repeat("}]", 16)),
            "body: nested deeper than 32");
  EXPECT_EQ(Verdict("[" + Repeat("[],", 1000) + "[]]", {.depth_max = 2}), "");
  EXPECT_EQ(Verdict(Nested(64), {.depth_max = 64}), "");
  EXPECT_EQ(Verdict(Nested(65), {.depth_max = 64}), "body: nested deeper than 64");
  EXPECT_EQ(Verdict(Nested(2), {.label = "data", .depth_max = 1}), "data: nested deeper than 1");
  // A result as deep as allowed, inside a body that is one deeper.
  const std::string body = "{\"result\":" + Nested(32) + "}";
  EXPECT_TRUE(JsonObject::Parse(body, {.depth_max = kJsonDepthMax + 1}).ok());
}

TEST(JsonReader, KeepsTheExactBytesOfEveryValue) {
  const std::string body =
      "\n{ \"a\" :\t\"\\ud800 \\u0041\" , \"b\":[1 , 2.50,\r\n{\"x\" : 1e999}] ,\"c\" : -0 "
      ",\"d\":1.0 , \"e\":{ } , \"f\": true,\"g\":false , \"h\":\tnull }\n";
  const Result<JsonObject> object = JsonObject::Parse(body);
  ASSERT_TRUE(object.ok()) << object.status().message();
  const std::vector<JsonMember> expected = {
      {"a", JsonKind::kString, "\"\\ud800 \\u0041\""},
      {"b", JsonKind::kArray, "[1 , 2.50,\r\n{\"x\" : 1e999}]"},
      {"c", JsonKind::kInteger, "-0"},
      {"d", JsonKind::kNumber, "1.0"},
      {"e", JsonKind::kObject, "{ }"},
      {"f", JsonKind::kTrue, "true"},
      {"g", JsonKind::kFalse, "false"},
      {"h", JsonKind::kNull, "null"}};
  ASSERT_EQ(object->members().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const JsonMember& member = object->members()[i];
    EXPECT_EQ(member.kind, expected[i].kind) << member.name;
    EXPECT_EQ(member.raw, expected[i].raw);
    EXPECT_EQ(object->Find(expected[i].name), &member);
  }
  EXPECT_EQ(object->Find("missing"), nullptr);
  EXPECT_TRUE(JsonObject::Parse("{}")->members().empty());
}

TEST(JsonReader, ABodyMustBeAnObject) {
  for (const std::string_view text : {"[]", "1", "\"{}\"", "null", "[{}]"}) {
    EXPECT_EQ(ParseError(text), "body: must be a JSON object") << text;
  }
  EXPECT_EQ(JsonObject::Parse("1", {.label = "operations[3]"}).status().message(),
            "operations[3]: must be a JSON object");
}

TEST(JsonReader, AFieldGivenTwiceIsNamedHoweverItIsSpelled) {
  EXPECT_EQ(ParseError(R"({"key":"a","scope":"s","key":"b"})"), "body: duplicate field \"key\"");
  EXPECT_EQ(ParseError(R"({"a":1,"\u0061":2})"), "body: duplicate field \"a\"");
  EXPECT_EQ(ParseError(R"({"":1,"":2})"), "body: duplicate field \"\"");
  EXPECT_EQ(ParseError("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}"),
            R"(body: duplicate field "\ud83d\ude00")");
  EXPECT_EQ(ParseError(R"({"\ud800":1,"\uD800":2})"), R"(body: duplicate field "\ud800")");
  EXPECT_EQ(ParseError(R"({"a":1,"A":2,"a\u0000":3,"a ":4})"), "");
  EXPECT_EQ(ParseError(R"({"a":{"b":1,"b":2},"b":3})"), "");  // deeper is the caller's business
  std::string many = "{";
  for (int i = 0; i < 50000; ++i) many += "\"" + std::to_string(i) + "\":0,";
  EXPECT_EQ(ParseError(many + "\"x\":0}"), "");
  EXPECT_EQ(ParseError(many + "\"777\":0}"), "body: duplicate field \"777\"");
}

TEST(JsonReader, NoNameCanFloodOrForgeAMessage) {
  const std::string name = Repeat("x", 5000);
  EXPECT_EQ(ParseError("{\"" + name + "\":1,\"" + name + "\":1}"),
            "body: duplicate field \"" + Repeat("x", 61) + "...\"");
  EXPECT_EQ(PrintableName(Repeat("x", 64)), Repeat("x", 64));
  EXPECT_EQ(PrintableName("a\nb\"c\\d\x1b[31m\x7F\xC3\xA9"), R"(a\nb\"c\\d\u001b[31m\u007f\u00e9)");
  EXPECT_EQ(PrintableName(Repeat("\xC3\xA9", 11)), Repeat("\\u00e9", 10) + "...");  // none is split
  for (int byte = 0x80; byte < 0x100; ++byte) {  // not decoded text, yet harmless
    EXPECT_LE(PrintableName(std::string(100, static_cast<char>(byte))).size(), 64u);
    EXPECT_LE(PrintableName(std::string(1, static_cast<char>(byte))).size(), 12u);
  }
}

TEST(JsonReader, StringsAreDecodedAndLoneSurrogatesRefused) {
  EXPECT_EQ(*Only(R"({"s":"\"\\\/\b\f\n\r\t \u0041\u00e9\u20AC\uD83D\uDE00"})").AsString(),
            "\"\\/\b\f\n\r\t A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(*Only(R"({"s":"a\u0000b"})").AsString(), std::string("a\0b", 3));
  EXPECT_EQ(*Only("{\"s\":\"\xED\x9F\xBF\\uE000\"}").AsString(), "\xED\x9F\xBF\xEE\x80\x80");
  EXPECT_EQ(*Only(R"({"s":""})").AsString(), "");
  for (const std::string_view body :
       {R"({"key":"\ud800"})", R"({"key":"\udfff"})", R"({"key":"\ude00\ud83d"})",
        R"({"key":"\ud83d\ud83d\ude00"})", R"({"key":"\ud83d \ude00"})", R"({"key":"\ud83d\n"})"}) {
    const Result<std::string> text = Only(body).AsString();
    ASSERT_FALSE(text.ok()) << body;
    EXPECT_EQ(text.status().message(), "key: lone surrogate");
  }
  for (const std::string_view body : {R"({"key":1})", R"({"key":null})", R"({"key":["a"]})"}) {
    EXPECT_EQ(Only(body).AsString().status().message(), "key: must be a string");
  }
}

TEST(JsonReader, IntegersAreExactOrRefused) {
  const auto read = [](const std::string& number) {
    return Only("{\"lease_ms\":" + number + "}").AsInt64();
  };
  EXPECT_EQ(*read("0"), 0);
  EXPECT_EQ(*read("-0"), 0);
  EXPECT_EQ(*read("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(*read("-9223372036854775808"), INT64_MIN);
  for (const char* number :
       {"9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    EXPECT_EQ(read(number).status().message(), "lease_ms: integer out of range") << number;
  }
  for (const char* number : {"1.0", "1e3", "\"1\"", "true", "null", "[1]"}) {
    EXPECT_EQ(read(number).status().message(), "lease_ms: must be an integer") << number;
  }
}

TEST(JsonReader, OnlyTrueAndFalseAreBooleans) {
  EXPECT_TRUE(*Only(R"({"unique":true})").AsBool());
  EXPECT_FALSE(*Only(R"({"unique":false})").AsBool());
  for (const char* body : {R"({"unique":1})", R"({"unique":"true"})", R"({"unique":null})"}) {
    EXPECT_EQ(Only(body).AsBool().status().message(), "unique: must be true or false");
  }
}

TEST(JsonReader, HandsOutTheElementsOfAnArrayAsTheyStand) {
  const auto elements = JsonArrayElements("[ {\"op\" : [1,2]},\n\"a,]\" , 1.50,[[]],null ]");
  ASSERT_TRUE(elements.ok());
  EXPECT_EQ(*elements,
            (std::vector<std::string_view>{"{\"op\" : [1,2]}", "\"a,]\"", "1.50", "[[]]", "null"}));
  EXPECT_TRUE(JsonArrayElements(" [ ] ")->empty());
  for (const std::string_view text : {"{}", "1", "\"[]\""}) {
    EXPECT_EQ(JsonArrayElements(text, {.label = "operations"}).status().message(),
              "operations: must be an array");
  }
  EXPECT_FALSE(JsonArrayElements("[1] 2").ok());
}

// Printed, so that a failure or a crash can be repeated with ONCED_SEED=<number>.
uint64_t Seed() {
  const char* given = std::getenv("ONCED_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// Whether nlohmann's verdict on `text` is as ours, or differs where it is meant to:
//   it refuses escaped lone surrogates, and numbers that overflow a double (we keep their bytes);
//   it takes a byte order mark, a NUL as the end of the text, and any depth.
bool AgreesOrMayDiffer(const std::string& text, bool ours, int* differed) {
  try {
    [[maybe_unused]] const nlohmann::json parsed = nlohmann::json::parse(text);
    if (ours) return true;
    ++*differed;
    return text.starts_with("\xEF\xBB\xBF") || text.find('\0') != std::string::npos ||
           Verdict(text).find("nested deeper") != std::string::npos;
  } catch (const nlohmann::json::exception& e) {
    if (!ours) return true;
    ++*differed;
    const std::string_view what = e.what();
    return what.find("surrogate") != std::string::npos ||
           what.find("number overflow") != std::string::npos;
  }
}

// One to three times: a byte changed, a few removed, one inserted, or a stretch doubled.
void Mutate(std::mt19937_64* random, std::string* text) {
  static constexpr char kBytes[] = "\"\\{}[]:,0123456789.eE+-truefalsn \n\t\xC3\xA9\xED\xFF";
  for (uint64_t edits = (*random)() % 3 + 1; edits > 0 && !text->empty(); --edits) {
    const size_t at = (*random)() % text->size();
    const uint64_t kind = (*random)() % 4;
    const char byte = kBytes[(*random)() % sizeof kBytes];  // its final NUL is one of them
    if (kind == 0) (*text)[at] = byte;
    if (kind == 1) text->erase(at, (*random)() % 4 + 1);
    if (kind == 2) text->insert(at, 1, byte);
    if (kind == 3) text->insert(at, text->substr(at, (*random)() % 8));
  }
}

TEST(JsonReader, AgreesWithNlohmannOnMutatedDocuments) {
  const std::vector<std::string> seeds = {
      R"({"key":"pay:1","scope":"s","lease_ms":30000,"result":{"ok":true,"x":[1,-2.5e3,null]}})",
      R"({"operations":[{"op":"claim","key":"a"},{"op":"release","fence":"9","x":""}]})",
      R"([0,-0,1.5,2E+8,1e-7,[],{},"",[[[]]],false])",
      "[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\",\"\\u00e9\\ud83d\\ude00\\n\\/\",\"\\\\\"]",
      Nested(31)};
  std::mt19937_64 random(Seed());
  int taken = 0;
  int differed = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = seeds[random() % seeds.size()];
    Mutate(&random, &text);
    const bool ours = Verdict(text).empty();
    taken += ours ? 1 : 0;
    ASSERT_TRUE(AgreesOrMayDiffer(text, ours, &differed))
        << (ours ? "only we take " : "only nlohmann takes ") << text << "\n"
        << Verdict(text);
  }
  EXPECT_GT(taken, 2000);     // both verdicts are tried
  EXPECT_LT(differed, 1000);  // and the differences stay the exception
}

TEST(JsonReader, ReadsNotAByteBeyondTheText) {
  const std::string whole =
      "{\"a\":\"\\ud83d\\ude00 \xF0\x9F\x98\x80\",\"b\":[-1.5e+3,true,null,{\"c\":false}]}";
  for (size_t length = 0; length < whole.size(); ++length) {
    // An allocation of its own, so that the sanitizer guards its end.
    const auto bytes = std::make_unique<char[]>(length);
    whole.copy(bytes.get(), length);
    EXPECT_FALSE(JsonObject::Parse({bytes.get(), length}).ok()) << length;
  }
  EXPECT_TRUE(JsonObject::Parse(whole).ok());
}

TEST(JsonWriter, WritesWhatTheReaderReads) {
  JsonWriter w;
  w.Field("outcome", "claimed").Field("attempt", 1).Field("lapsed", false).Null("holder");
  w.Field("low", INT64_MIN).Field("high", UINT64_MAX).RawField("result", "{ \"x\": 1e999 }");
  w.BeginArray("results").Element("a").Element(2).Element(true).RawElement("[]");
  w.BeginObject().Field("status", 200).EndObject().BeginArray().EndArray().EndArray();
  w.BeginObject("limits").EndObject().Field("last", std::string("x"));
  const std::string text = w.Take();
  EXPECT_EQ(text, R"({"outcome":"claimed","attempt":1,"lapsed":false,"holder":null,)"
                  R"("low":-9223372036854775808,"high":18446744073709551615,)"
                  R"("result":{ "x": 1e999 },"results":["a",2,true,[],{"status":200},[]],)"
                  R"("limits":{},"last":"x"})");
  EXPECT_EQ(ParseError(text), "");
  EXPECT_EQ(JsonWriter().Take(), "{}");
}

TEST(JsonWriter, AnyTextSurvivesTheRoundTrip) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  all += "\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80";
  JsonWriter w;
  w.Field("text", all);
  const std::string body = w.Take();
  EXPECT_EQ(*Only(body).AsString(), all);
  EXPECT_NE(body.find(R"(\u0000\u0001)"), std::string::npos);
  EXPECT_NE(body.find(R"(\b\t\n\u000b\f\r\u000e)"), std::string::npos);
  EXPECT_TRUE(body.ends_with("~\x7F\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80\"}"));
}

TEST(JsonWriterDeathTest, MisuseIsCaught) {
  EXPECT_DEATH(JsonWriter().Element("no array here"), "check failed");
  EXPECT_DEATH(JsonWriter().BeginArray("a").Field("name", 1), "check failed");
  EXPECT_DEATH(JsonWriter().BeginArray("a").EndObject(), "check failed");
  EXPECT_DEATH(JsonWriter().BeginObject("a").EndArray(), "check failed");
  EXPECT_DEATH(JsonWriter().EndObject(), "check failed");
  EXPECT_DEATH(JsonWriter().BeginObject("a").Take(), "check failed");
  EXPECT_DEATH(JsonWriter().RawField("result", ""), "check failed");
  JsonWriter done;
  EXPECT_EQ(done.Take(), "{}");
  EXPECT_DEATH(done.Field("late", 1), "check failed");
}

}  // namespace
}  // namespace onced

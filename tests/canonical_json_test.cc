// SPDX-License-Identifier: MIT
// What canonical JSON promises: byte for byte what json.dumps(json.loads(text), sort_keys=True)
// says. Python itself is the judge where it is installed; the tables hold without it.
#include "server/json/canonical_json.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace onced {
namespace {

constexpr std::string_view kRefused = "refused";

std::string Canonical(std::string_view text) {
  const Result<std::string> canonical = CanonicalJson(text);
  return canonical.ok() ? *canonical : canonical.status().message();
}

std::string Repeat(std::string_view part, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

void ExpectAll(const Pairs& pairs) {
  for (const auto& [text, expected] : pairs) EXPECT_EQ(Canonical(text), expected) << text;
}

TEST(CanonicalJson, SpacesAreThoseOfPythonAndNamesAreSorted) {
  ExpectAll(
      {{" { \"b\" :\n[1,\t2 ] , \"a\":{} } ", R"({"a": {}, "b": [1, 2]})"},
       {"[[],[[]],{},\"[\",1]", R"([[], [[]], {}, "[", 1])"},
       {R"({"c":{"z":1,"y":{"b":2,"a":3}},"a":[{"d":4,"c":5}]})",
        R"({"a": [{"c": 5, "d": 4}], "c": {"y": {"a": 3, "b": 2}, "z": 1}})"},
       {R"({"b":1,"a":2,"":3,"B":4,"aa":5})", R"({"": 3, "B": 4, "a": 2, "aa": 5, "b": 1})"}});
}

TEST(CanonicalJson, NamesSortByCodePointNotByUtf16Unit) {
  // In UTF-16 order U+1F600 (D83D DE00) would come before U+FFFD; a lone surrogate is a code point.
  ExpectAll(
      {{"{\"\xF0\x9F\x98\x80\":1,\"\xEF\xBF\xBD\":2,\"\\ud83d\":3,\"\xEE\x80\x80\":4,\"z\":5}",
        R"({"z": 5, "\ud83d": 3, "\ue000": 4, "\ufffd": 2, "\ud83d\ude00": 1})"},
       {R"({"\u00e9":1,"f":2,"e\u0301":3,"\u0000":4})",
        R"({"\u0000": 4, "e\u0301": 3, "f": 2, "\u00e9": 1})"}});
}

TEST(CanonicalJson, StringsAreAsciiWithLowerCaseEscapes) {
  ExpectAll({{"\"\x7F \xC2\x80 \xC3\xA9 \xE2\x80\xA8 \xF0\x9F\x98\x80 /\"",
              R"("\u007f \u0080 \u00e9 \u2028 \ud83d\ude00 /")"},
             {R"("\u0041\/\"\\\b\f\n\r\t\u001F\u000b")", R"("A/\"\\\b\f\n\r\t\u001f\u000b")"},
             {R"("\uD83D\uDE00")", R"("\ud83d\ude00")"},
             {R"("\uD800 \uDFFF \uDE00\uD83D \uD800\uD800\uDC00")",
              R"("\ud800 \udfff \ude00\ud83d \ud800\ud800\udc00")"}});
}

TEST(CanonicalJson, IntegersStayExactAtAnyLength) {
  const std::string long_integer =
      "-" + Repeat("1234567890", 500);  // Python's default limit is 4300
  ExpectAll({{"0", "0"},
             {"-0", "0"},
             {"9007199254740993", "9007199254740993"},
             {"-123456789012345678901234567890", "-123456789012345678901234567890"},
             {long_integer, long_integer}});
}

TEST(CanonicalJson, FloatsReadAsPythonReprWritesThem) {
  ExpectAll({{"1.0", "1.0"},
             {"1e0", "1.0"},
             {"-0.0", "-0.0"},
             {"-0e5", "-0.0"},
             {"0e999", "0.0"},
             {"1e15", "1000000000000000.0"},
             {"9999999999999998.0", "9999999999999998.0"},
             {"1e16", "1e+16"},
             {"12345678901234567.0", "1.2345678901234568e+16"},
             {"123456789012345680.0", "1.2345678901234568e+17"},
             {"1E22", "1e+22"},
             {"1.5E300", "1.5e+300"},
             {"0.0001", "0.0001"},
             {"0.00012345", "0.00012345"},
             {"0.00001", "1e-05"},
             {"0.0000001", "1e-07"},
             {"1.25e-10", "1.25e-10"},
             {"0.1", "0.1"},
             {"0.30000000000000004", "0.30000000000000004"},
             {"100.50", "100.5"},
             {"123.456e-1", "12.3456"},
             {"5e-324", "5e-324"},
             {"2e-324", "0.0"},
             {"-1e-99999999999999999999", "-0.0"},
             {"2.2250738585072014e-308", "2.2250738585072014e-308"},
             {"1.7976931348623157e308", "1.7976931348623157e+308"},
             {"1.7976931348623158e308", "1.7976931348623157e+308"},
             {"9007199254740993.0", "9007199254740992.0"},
             {"0." + Repeat("0", 400) + "1e401", "1.0"},
             {"1" + Repeat("0", 400) + "e-400", "1.0"},
             {"0." + Repeat("0", 400) + "1", "0.0"}});
}

TEST(CanonicalJson, RefusesWhatHasNoCanonicalForm) {
  const std::string overflow = "data: number too large for a double";
  ExpectAll(
      {{"1e999", overflow},
       {"-1e309", overflow},
       {"[1,{\"a\":1.7976931348623159e308}]", overflow},
       {"1" + Repeat("0", 400) + ".0", overflow},
       {"1e99999999999999999999", overflow},
       {"0.0001e+315", overflow},
       {"NaN", "data: expected a value at byte 0"},
       {"[Infinity]", "data: expected a value or ']' at byte 1"},
       {"-Infinity", "data: expected a digit at byte 1"},
       {"", "data: empty"},
       {R"({"a":1,"a":1})", "data: duplicate field \"a\""},
       {R"([{"x":{"b":1,"a":2,"\u0062":3}}])", "data: duplicate field \"b\""},
       {"{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":1}", R"(data: duplicate field "\ud83d\ude00")"},
       {R"({"a":1)", "data: expected ',' or '}' at byte 6 (end of text)"},
       {Repeat("[", 33) + Repeat("]", 33), "data: nested deeper than 32"}});
  EXPECT_EQ(CanonicalJson("1e999", {.label = "body"}).status().message(),
            "body: number too large for a double");
}

TEST(CanonicalJson, DeepUnsortedObjectsAreSortedInPlaceAtEveryLevel) {
  std::string text = "1";
  std::string expected = "1";
  for (int i = 0; i < kJsonDepthMax; ++i) {
    const std::string other = "\"" + Repeat("x", i) + "\"";
    text.insert(0, "{\"b\":").append(",\"a\":").append(other).append("}");
    expected.insert(0, "{\"a\": " + other + ", \"b\": ").append("}");
  }
  EXPECT_EQ(Canonical(text), expected);
}

// Printed, so that a failure or a crash can be repeated with ONCED_SEED=<number>.
uint64_t Seed() {
  const char* given = std::getenv("ONCED_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// A random value as text, spelled in as many ways as JSON has for it.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::string Value(int depth) {
    const uint64_t kind = random_() % (depth > 0 ? 8 : 5);
    if (kind == 0) return Pick({"true", "false", "null", "0", "-0", "-0.0"});
    if (kind == 1) return Digits(1 + random_() % 40);
    if (kind == 2 || kind == 3) return Number();
    if (kind == 4) return String();
    const bool is_object = kind > 5;
    std::string text = is_object ? "{" : "[";
    const uint64_t size = random_() % 6;
    for (uint64_t i = 0; i < size; ++i) {
      text += i > 0 ? "," : "";
      text += Space();
      if (is_object) text += String() + Space() + ":" + Space();
      text += Value(depth - 1) + Space();
    }
    return text + (is_object ? "}" : "]");
  }

  // A few bytes changed, so that some texts are not JSON, or are other JSON than meant.
  void Damage(std::string* text) {
    for (uint64_t edits = 1 + random_() % 2; edits > 0; --edits) {
      const std::string byte =
          Pick({"\"", "\\", ",", ":", "e", ".", "9", "0", "-", "]", "{", "\xC3"});
      text->replace(random_() % text->size(), random_() % 2, byte);
    }
  }

 private:
  std::string Pick(std::initializer_list<std::string_view> from) {
    return std::string(*(from.begin() + random_() % from.size()));
  }
  std::string Space() { return Pick({"", "", "", " ", "\n", "\t\r "}); }

  std::string Digits(uint64_t count) {
    std::string digits(random_() % 2, '-');
    digits += static_cast<char>('1' + random_() % 9);
    while (--count > 0) digits += static_cast<char>('0' + random_() % 10);
    return digits;
  }

  std::string Number() {
    char buffer[40];
    double value = 0;
    switch (random_() % 4) {
      case 0:  // every double is as likely
        value = std::bit_cast<double>(random_());
        break;
      case 1:  // around where repr changes form
        value = static_cast<double>(random_() % 20000) *
                std::pow(10.0, static_cast<int>(random_() % 24) - 8);
        break;
      case 2:  // more digits than a double has, and any exponent
        return Digits(1 + random_() % 30) + "." + Digits(40).substr(1) + "E" +
               Pick({"", "+", "-"}) + std::to_string(random_() % 320);
      default:
        return Digits(1 + random_() % 17) + "e-" + std::to_string(random_() % 30);
    }
    if (!std::isfinite(value)) return "1e999";
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return std::string(buffer, end);
  }

  std::string String() {
    std::string text = "\"";
    for (uint64_t length = random_() % 6; length > 0; --length) {
      text += Pick({"a",
                    "b",
                    "z",
                    "A",
                    " ",
                    "/",
                    "\\/",
                    "\\\"",
                    "\\\\",
                    "\\n",
                    "\\u0061",
                    "\\u007f",
                    "\x7F",
                    "\\u0000",
                    "\xC2\x80",
                    "\xC3\xA9",
                    "\\u00E9",
                    "\xE2\x82\xAC",
                    "\xED\x9F\xBF",
                    "\xEE\x80\x80",
                    "\xEF\xBF\xBF",
                    "\xF0\x9F\x98\x80",
                    "\xF4\x8F\xBF\xBF",
                    "\\ud83d\\ude00",
                    "\\uD83D",
                    "\\udE00",
                    "\\ud800",
                    "\\udfff",
                    "\\uFFFf"});
    }
    return text + "\"";
  }

  std::mt19937_64 random_;
};

TEST(CanonicalJson, IsAFixedPoint) {
  Generator generator(Seed());
  int accepted = 0;
  for (int i = 0; i < 2000; ++i) {
    const Result<std::string> once = CanonicalJson(generator.Value(5));
    if (!once.ok()) continue;
    ++accepted;
    EXPECT_EQ(Canonical(*once), *once);
  }
  EXPECT_GT(accepted, 500);
}

// Hex, so that a line holds any bytes.
std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    hex += "0123456789abcdef"[c & 15];
  }
  return hex;
}

// The oracle: one answer a line. Strict where we are and json is not.
constexpr std::string_view kOracle = R"(import json, sys
if hasattr(sys, "set_int_max_str_digits"): sys.set_int_max_str_digits(0)
def unique(pairs):
    if len(dict(pairs)) != len(pairs): raise ValueError("duplicate")
    return dict(pairs)
def refuse(name): raise ValueError(name)
for line in open(sys.argv[1]):
    try:
        data = json.loads(bytes.fromhex(line).decode(), object_pairs_hook=unique, parse_constant=refuse)
        print(json.dumps(data, sort_keys=True, allow_nan=False))
    except ValueError:
        print("refused")
)";

std::vector<std::string> AskPython(const std::vector<std::string>& texts) {
  std::string folder = testing::TempDir() + "onced_canonical_XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/oracle.py") << kOracle;
  std::ofstream inputs(folder + "/inputs");
  for (const std::string& text : texts) inputs << Hex(text) << "\n";
  inputs.close();
  const std::string command =
      "python3 " + folder + "/oracle.py " + folder + "/inputs > " + folder + "/answers";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::vector<std::string> answers;
  std::ifstream read(folder + "/answers");
  for (std::string line; std::getline(read, line);) answers.push_back(line);
  std::filesystem::remove_all(folder);
  return answers;
}

TEST(CanonicalJson, IsByteForByteWhatPythonPrints) {
  if (std::system("python3 -c 'import json' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no python3 here to compare with";
  }
  std::vector<std::string> texts = {"0",
                                    "-0",
                                    "-0.0",
                                    "1e400",
                                    "-1e400",
                                    "1e-400",
                                    "-1e-400",
                                    "5e-324",
                                    "2.4703282292062327e-324",
                                    "2.4703282292062328e-324",
                                    "1.7976931348623158e308",
                                    "1.7976931348623159e308",
                                    "1e16",
                                    "1e-5",
                                    "9999999999999999.0",
                                    "0.00009999999999999999",
                                    "9007199254740993.0",
                                    "8.41e21",
                                    "9.5e-3",
                                    "4.35",
                                    "1e23",
                                    "NaN",
                                    "-Infinity",
                                    "[]",
                                    "{}",
                                    "\"\x7F\"",
                                    "\"\\ud800\\udc00\"",
                                    "\"\\udc00\\ud800\"",
                                    "\"\\ud800\\ud800\\udc00\"",
                                    "\"\\ud800x\\udc00\"",
                                    "\xEF\xBB\xBF{}",
                                    "\"\t\"",
                                    "[1,]",
                                    "01",
                                    "",
                                    R"({"a":1,"\u0061":2})",
                                    R"({"\ue000":1,"\ud83d\ude00":2,"\udbff":3,"\uffff":4})",
                                    Repeat("7", 5000),
                                    Repeat("7", 400) + ".5",
                                    "0." + Repeat("0", 5000) + "1e5001"};
  Generator generator(Seed());
  for (int i = 0; i < 2000; ++i) texts.push_back(generator.Value(4));
  for (int i = 0; i < 2000; ++i) {
    texts.push_back(generator.Value(2));
    generator.Damage(&texts.back());
  }
  const std::vector<std::string> answers = AskPython(texts);
  ASSERT_EQ(answers.size(), texts.size());
  int refused = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Result<std::string> ours = CanonicalJson(texts[i]);
    EXPECT_EQ(ours.ok() ? *ours : kRefused, answers[i]) << texts[i];
    refused += answers[i] == kRefused ? 1 : 0;
  }
  EXPECT_GT(refused, 100);  // both verdicts are compared
  EXPECT_LT(refused, 3000);
}

}  // namespace
}  // namespace onced

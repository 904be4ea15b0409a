// SPDX-License-Identifier: MIT
// Settings: each kind of value arrives as written, what is wrong is named by its place, and a
// misspelt name by the one that was meant.
#include "server/config/setting.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "server/config/address.h"
#include "server/config/quantity.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

std::string Anything(const std::string&) { return ""; }

TEST(Settings, ArriveAsWritten) {
  const Setting table = Value(ParseSettings(
      "flag = true\ntext = \"a\\u00e4\"\nduration = \"2h\"\nsize = \"3KiB\"\nbytes = 512\n"
      "count = 7\nnumber = 0.5\nwhole = 1\nword = \"two\"\nlist = [\"x\", "
      "\"y\"]\n[[part]]\n[[part]]",
      "f"));
  Faults faults("f");
  Settings in(table, &faults);
  bool flag = false;
  std::string text;
  milliseconds duration{0};
  uint64_t size = 0, bytes = 0;
  uint32_t count = 0;
  double number = 0, whole = 0;
  int word = 0;
  std::vector<std::string> list;
  EXPECT_TRUE(in.Flag("flag", &flag) && flag);
  EXPECT_TRUE(in.Text("text", &text, Anything));
  EXPECT_EQ(text, "a\xc3\xa4");
  EXPECT_TRUE(in.Duration("duration", &duration, 0, kDayMs));
  EXPECT_EQ(duration, milliseconds(2 * kHourMs));
  EXPECT_TRUE(in.Size("size", &size, 0, 1 << 20) && in.Size("bytes", &bytes, 0, 1 << 20));
  EXPECT_EQ(size, 3'072u);
  EXPECT_EQ(bytes, 512u);
  EXPECT_TRUE(in.Count("count", &count, 7, 7));
  EXPECT_EQ(count, 7u);
  EXPECT_TRUE(in.Number("number", &number, 0, 1) && in.Number("whole", &whole, 0, 1));
  EXPECT_EQ(number, 0.5);
  EXPECT_EQ(whole, 1.0);
  EXPECT_TRUE(in.Choice<int>("word", &word, {{"one", 1}, {"two", 2}}));
  EXPECT_EQ(word, 2);
  EXPECT_TRUE(in.Texts("list", &list, Anything));
  EXPECT_EQ(list, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(in.Tables("part", "whole.part").size(), 2u);
  in.End();
  EXPECT_TRUE(in.sound());
  EXPECT_TRUE(faults.First().ok()) << faults.First().message();
}

TEST(Settings, ThatAreNotThereChangeNothing) {
  const Setting table = Value(ParseSettings("", "f"));
  Faults faults("f");
  Settings in(table, &faults);
  std::string text = "kept";
  uint32_t count = 3;
  int word = 4;
  EXPECT_FALSE(in.Text("text", &text, Anything));
  EXPECT_FALSE(in.Count("count", &count, 0, 9));
  EXPECT_FALSE(in.Choice<int>("word", &word, {{"one", 1}}));
  EXPECT_EQ(text, "kept");
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(word, 4);
  EXPECT_TRUE(in.sound());
}

// Settings that are wrong must not be half set either: somebody may go on with them.
TEST(Settings, ThatAreWrongChangeNothing) {
  const Setting table =
      Value(ParseSettings("text = 1\nlist = [\"a\", \"b\", 1]\nword = \"ono\"", "f"));
  Faults faults("f");
  Settings in(table, &faults);
  std::string text = "kept";
  std::vector<std::string> list = {"kept"};
  int word = 4;
  EXPECT_FALSE(in.Choice<int>("word", &word, {{"one", 1}}));
  EXPECT_FALSE(in.Texts("list", &list, Anything));
  EXPECT_FALSE(in.Text("text", &text, Anything));
  EXPECT_EQ(text, "kept");
  EXPECT_EQ(list, std::vector<std::string>{"kept"});
  EXPECT_EQ(word, 4);
  EXPECT_FALSE(in.sound());
  EXPECT_EQ(faults.First().message(), "f:1:8: text: must be a string") << "the first in the file";
}

TEST(Settings, AreMissingOnlyWhenNothingElseIsWrong) {
  const Setting table = Value(ParseSettings("\nnmae = 1\n", "f"));
  Faults faults("f");
  Settings in(table, &faults);
  in.Require("name");
  EXPECT_EQ(faults.First().message(), "f:1:1: name: is required");
  in.End();
  EXPECT_EQ(faults.First().message(), "f:2:1: nmae: there is no such setting; did you mean name?");
}

TEST(Settings, ShowNoNameThatWouldWriteToTheTerminal) {
  const Setting table = Value(ParseSettings("\"\\u001b[31m\" = 1\n", "f"));
  Faults faults("f");
  Settings(table, &faults).End();
  EXPECT_EQ(faults.First().message(),
            "f:1:1: (a name that cannot be shown): there is no such setting");
}

TEST(Settings, ThatAreNoTomlAreNamedByTheirPlace) {
  for (const auto& [text, place] : std::vector<std::pair<std::string, std::string>>{
           {"a = \n", "f:1:"}, {"a = 1\nb", "f:2:"}, {"a = 1\na = 2", "f:2:"}}) {
    const Status status = StatusOf(ParseSettings(text, "f"));
    EXPECT_TRUE(status.message().starts_with(place)) << text << ": " << status.message();
  }
  const std::string deep = "a = " + std::string(10'000, '[') + std::string(10'000, ']');
  EXPECT_FALSE(ParseSettings(deep, "f").ok()) << "and the stack is whole";
}

TEST(DidYouMean, NamesTheNearestAndOnlyANearOne) {
  const std::vector<std::string_view> known = {"retention", "lease", "deadline", "stripe-v1"};
  EXPECT_EQ(DidYouMean("retension", known), "; did you mean retention?");
  EXPECT_EQ(DidYouMean("leese", known), "; did you mean lease?");
  EXPECT_EQ(DidYouMean("dedline", known), "; did you mean deadline?");
  EXPECT_EQ(DidYouMean("stripe", known), "; did you mean stripe-v1?");
  EXPECT_EQ(DidYouMean("wait", known), "");
  EXPECT_EQ(DidYouMean("", known), "");
  EXPECT_EQ(DidYouMean(std::string(100'000, 'l'), known), "");
  EXPECT_EQ(DidYouMean("x", {}), "");
}

TEST(Quantity, IsReadAsItIsWritten) {
  for (const int64_t ms : {0LL, 1LL, 999LL, 1'000LL, 90'000LL, 3'600'000LL, 86'400'000LL}) {
    EXPECT_EQ(Value(ReadDuration(DurationText(ms), 0, INT64_MAX)), milliseconds(ms));
  }
  for (const uint64_t bytes : {0u, 1u, 1'023u, 1'024u, 1'048'576u, 1'572'864u}) {
    EXPECT_EQ(Value(ReadSize(SizeText(bytes), 0, UINT64_MAX)), bytes);
  }
}

TEST(Address, MayLeaveOutItsPortWhereThereIsOne) {
  const struct {
    const char* text;
    const char* host;
    uint16_t port;
  } table[] = {{"127.0.0.1", "127.0.0.1", 6680}, {"127.0.0.1:80", "127.0.0.1", 80},
               {"[::1]", "::1", 6680},           {"[::1]:80", "::1", 80},
               {"localhost", "127.0.0.1", 6680}, {"0.0.0.0:0", "0.0.0.0", 0}};
  for (const auto& [text, host, port] : table) {
    const auto address = ParseAddress(text, uint16_t{6680});
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
  EXPECT_FALSE(ParseAddress("127.0.0.1", std::nullopt).has_value());
  EXPECT_FALSE(ParseAddress("[::1]", std::nullopt).has_value());
  for (const char* bad :
       {"", "::1", "::1:80", "a:", "a:b", "a:65536", "a:-1", "[::1]:x", "foo", "foo:80", ":80",
        "127.0.0.1.5:80", "127.1:80", "[127.0.0.1:80", "localhost.:80"}) {
    EXPECT_FALSE(ParseAddress(bad, uint16_t{6680}).has_value()) << bad;
  }
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// The names of a request: its id, a client's or one that is made, and the trace it belongs to. What
// is none is not taken, whole or in part.
#include <gtest/gtest.h>

#include <cctype>
#include <chrono>
#include <cstdio>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/wire/chance.h"
#include "server/wire/request_id.h"
#include "server/wire/trace_context.h"

namespace onced::wire {
namespace {

std::string Text(std::string_view text) { return std::string(text); }

TEST(RequestNames, AnIdIsTakenAsItIs) {
  const std::string longest(64, '~');
  for (const std::string& id : {std::string("a"), std::string("!"), longest,
                                std::string("0196-\"quoted\"\\{}"), std::string("a,b")}) {
    const RequestId taken = RequestId::Of(id);
    EXPECT_EQ(taken.text(), id);
    EXPECT_TRUE(taken.is_given());
  }
}

TEST(RequestNames, WhatIsNoIdMakesANewOne) {
  for (const std::string& rubbish :
       {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a\nb"),
        std::string("a\0b", 3), std::string("caf\xC3\xA9"), std::string("\x7F"),
        std::string("\t")}) {
    const RequestId made = RequestId::Of(rubbish);
    EXPECT_EQ(made.text().size(), 36U) << rubbish;
    EXPECT_FALSE(made.is_given());
  }
}

// RFC 9562, 5.7.
TEST(RequestNames, AMadeIdIsAUuidOfVersion7) {
  const auto ms = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const int64_t before = ms();
  const std::string id = Text(RequestId::New().text());
  const int64_t after = ms();
  ASSERT_EQ(id.size(), 36U);
  for (size_t i = 0; i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    EXPECT_TRUE(dash ? id[i] == '-' : std::isxdigit(static_cast<unsigned char>(id[i])) != 0) << id;
  }
  EXPECT_EQ(id[14], '7') << id;
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
  const int64_t told = std::stoll(id.substr(0, 8) + id.substr(9, 4), nullptr, 16);
  EXPECT_GE(told, before);
  EXPECT_LE(told, after);
}

TEST(RequestNames, DigitsAreThoseOfTheNumber) {
  for (const uint64_t number : {uint64_t{0}, uint64_t{0x0123456789abcdef}, UINT64_MAX,
                                uint64_t{0x9a9a9a9aa9a9a9a9}, uint64_t{0xf0e1d2c3b4a59687}}) {
    char expected[17];
    std::snprintf(expected, sizeof expected, "%016llx", static_cast<unsigned long long>(number));
    for (int digits = 1; digits <= 16; ++digits) {
      char out[17] = "................";
      PutHex(number, digits, out);
      EXPECT_EQ(std::string(out, 16), std::string(expected + 16 - digits) +
                                          std::string(static_cast<size_t>(16 - digits), '.'));
    }
  }
}

TEST(RequestNames, NoTwoIdsAreMadeAlike) {
  constexpr int kEach = 20'000;
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (std::vector<std::string>& mine : made) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < kEach; ++i) mine.push_back(Text(RequestId::New().text()));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const std::vector<std::string>& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), made.size() * kEach);
}

constexpr char kOne[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(RequestNames, ATraceGoesOnWithASpanOfOurs) {
  const TraceContext trace = TraceContext::Of(kOne);
  ASSERT_TRUE(trace.is_there());
  EXPECT_TRUE(trace.is_given());
  EXPECT_EQ(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(trace.flags(), "01");
  EXPECT_NE(trace.span_id(), "00f067aa0ba902b7");
  EXPECT_EQ(trace.span_id().size(), 16U);
  EXPECT_EQ(trace.TraceParent(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-" + Text(trace.span_id()) + "-01");
  EXPECT_TRUE(TraceContext::Of(trace.TraceParent()).is_there());
  EXPECT_NE(TraceContext::Of(kOne).span_id(), trace.span_id());
}

// The cases of the W3C's own test harness, and some more.
TEST(RequestNames, WhatIsNoTraceParentIsNotThere) {
  const std::string one = kOne;
  const std::vector<std::string> wrong = {
      "",
      "00",
      one.substr(0, 54),
      one + "-",
      one + "-what-the-future-will-be-like",
      one + " ",
      " " + one,
      "ff" + one.substr(2),
      "0" + one,
      "0" + one.substr(2),
      ".0" + one.substr(2),
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bx-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7.01",
      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "cc" + one.substr(2) + ".01",
  };
  for (const std::string& text : wrong) {
    const TraceContext trace = TraceContext::Of(text);
    EXPECT_FALSE(trace.is_there()) << text;
    EXPECT_EQ(trace.trace_id(), "") << text;
    EXPECT_EQ(trace.span_id(), "") << text;
  }
  EXPECT_FALSE(TraceContext::Of(one, 2).is_there()) << "two of them are none";
}

TEST(RequestNames, ALaterVersionIsReadAsFarAsItIsThis) {
  const std::string rest = std::string(kOne).substr(2);
  for (const std::string& text :
       {"01" + rest, "cc" + rest, "cc" + rest + "-more", "fe" + rest + "-"}) {
    EXPECT_TRUE(TraceContext::Of(text).TraceParent().starts_with("00-4bf92f3577")) << text;
  }
}

TEST(RequestNames, FlagsThatMeanNothingGoOnAsZero) {
  const std::string start = std::string(kOne).substr(0, 53);
  EXPECT_EQ(TraceContext::Of(start + "ff").flags(), "01");
  EXPECT_EQ(TraceContext::Of(start + "fe").flags(), "00");
  EXPECT_EQ(TraceContext::Of(start + "0b").flags(), "01");
}

TEST(RequestNames, ATraceOfOursIsOne) {
  const TraceContext mine = TraceContext::New();
  EXPECT_TRUE(TraceContext::Of(mine.TraceParent()).is_there()) << mine.TraceParent();
  EXPECT_EQ(mine.flags(), "00");
  EXPECT_FALSE(mine.is_given());
  EXPECT_NE(mine.trace_id(), TraceContext::New().trace_id());
}

}  // namespace
}  // namespace onced::wire

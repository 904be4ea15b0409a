// SPDX-License-Identifier: MIT
// AnswerHead: what is framed rightly is read, and what could be read in two ways is refused.
#include "server/gateway/answer_head.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace onced {
namespace {

using Verdict = AnswerHead::Verdict;

// Line by line; the first verdict that is not kMore.
Verdict Read(AnswerHead& head, std::string_view text, bool of_head_request = false) {
  head.Reset(of_head_request);
  while (!text.empty()) {
    const size_t end = text.find('\n') + 1;
    const Verdict verdict = head.Take(text.substr(0, end));
    if (verdict != Verdict::kMore) return verdict;
    text.remove_prefix(end);
  }
  return Verdict::kMore;
}

struct Told {
  int status;
  int64_t length;
  bool bodyless;
  bool operator==(const Told& other) const = default;
};

Told Reads(std::string_view text, bool of_head_request = false) {
  AnswerHead head;
  EXPECT_EQ(Verdict::kDone, Read(head, text, of_head_request)) << text << "\n" << head.why();
  return {head.status(), head.length(), head.bodyless()};
}

TEST(AnswerHead, TellsStatusAndLength) {
  EXPECT_EQ((Told{200, 3, false}), Reads("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"));
  EXPECT_EQ((Told{200, -1, false}), Reads("HTTP/1.0 200\r\n\r\n"));
  EXPECT_EQ((Told{599, -1, false}), Reads("HTTP/1.1 599 \nTransfer-Encoding: CHUNKED\n\n"));
  EXPECT_EQ((Told{200, 7, false}),
            Reads("HTTP/1.1 200 OK\r\ncontent-length:7 \r\nCONTENT-LENGTH: 7\r\n\r\n"));
}

TEST(AnswerHead, KnowsWhatHasNoBody) {
  EXPECT_EQ((Told{204, 0, true}), Reads("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n"));
  EXPECT_EQ((Told{304, 9, true}), Reads("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"));
  EXPECT_EQ((Told{200, 9, true}), Reads("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true));
  EXPECT_EQ((Told{200, -1, true}),
            Reads("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true));
}

TEST(AnswerHead, KeepsTheOtherHeadersAsTheyCame) {
  AnswerHead head;
  ASSERT_EQ(Verdict::kDone, Read(head,
                                 "HTTP/1.1 200 OK\r\nb:1\r\nContent-Length: 0\r\nA: \t x y\t"
                                 "\r\nb:\r\n\r\n"));
  EXPECT_EQ((HeaderList{{"b", "1"}, {"A", "x y"}, {"b", ""}}), head.TakeHeaders());
}

TEST(AnswerHead, ForgetsInterimAnswers) {
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += "HTTP/1.1 103 Hints\r\nlink: x\r\nContent-Length: 5\r\n\r\n";
  text += "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102\r\n\r\nHTTP/1.1 201 Made\r\na: b\r\n\r\n";
  AnswerHead head;
  ASSERT_EQ(Verdict::kDone, Read(head, text));
  EXPECT_EQ(201, head.status());
  EXPECT_EQ(-1, head.length());
  EXPECT_EQ((HeaderList{{"a", "b"}}), head.TakeHeaders());
}

TEST(AnswerHead, RefusesStatusLinesOfAnotherKind) {
  for (const char* line :
       {"HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK",
        "HTTP/1.1 2x0 OK", "HTTP/1.1 099 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 200OK", "HTTP/1.1",
        "http/1.1 200 OK", "ICY 200 OK", "", "HTTP/1.1\t200 OK"}) {
    AnswerHead head;
    EXPECT_EQ(Verdict::kBad, Read(head, std::string(line) + "\r\n\r\n")) << line;
  }
}

TEST(AnswerHead, RefusesWhatCouldBeReadInTwoWays) {
  for (const char* lines : {"Content-Length: 3\r\nContent-Length: 4",
                            "Content-Length: 3, 3",
                            "Content-Length: -3",
                            "Content-Length: +3",
                            "Content-Length: 0x3",
                            "Content-Length:",
                            "Content-Length: 3 3",
                            "Content-Length: 1234567890123456789",
                            "Content-Length: 3\r\nTransfer-Encoding: chunked",
                            "Transfer-Encoding: chunked\r\nContent-Length: 3",
                            "Transfer-Encoding: gzip, chunked",
                            "Transfer-Encoding: gzip",
                            "Transfer-Encoding: chunked, chunked",
                            "Transfer-Encoding:",
                            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                            "Transfer-Encoding: xchunked",
                            "A: b\r\n c",
                            "A: b\r\n\tc",
                            " A: b",
                            "A : b",
                            "A",
                            ": b",
                            "A\tB: c",
                            "A: b\rC: d"}) {
    AnswerHead head;
    EXPECT_EQ(Verdict::kBad, Read(head, "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n\r\n"))
        << lines;
    EXPECT_STRNE("", head.why());
  }
  AnswerHead head;
  EXPECT_EQ(Verdict::kBad, Read(head, std::string_view("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 28)));
  EXPECT_EQ(Verdict::kBad, Read(head, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_EQ(Verdict::kBad, Read(head, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"));
}

TEST(AnswerHead, HasLimits) {
  AnswerHead head;
  const std::string begin = "HTTP/1.1 200 OK\r\n";
  std::string many;
  for (size_t i = 0; i < AnswerHead::kHeadersMax; ++i) many += "a: b\r\n";
  EXPECT_EQ(Verdict::kDone, Read(head, begin + many + "\r\n"));
  EXPECT_EQ(Verdict::kBad, Read(head, begin + many + "a: b\r\n\r\n"));
  const std::string large(AnswerHead::kHeadBytesMax - begin.size() - 7, 'x');
  EXPECT_EQ(Verdict::kDone, Read(head, begin + "a: " + large + "\r\n\r\n"));
  EXPECT_EQ(Verdict::kBad, Read(head, begin + "a: x" + large + "\r\n\r\n"));
  std::string interim;
  for (size_t i = 0; i < 5; ++i) interim += "HTTP/1.1 103 X\r\na: " + large + "\r\n\r\n";
  EXPECT_EQ(Verdict::kBad, Read(head, interim + begin + "\r\n"));
}

}  // namespace
}  // namespace onced

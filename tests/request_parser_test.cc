// SPDX-License-Identifier: MIT
// The parser of the wire: what is no harmless HTTP/1.1 request is refused, with the same code
// however its bytes are cut, and what is one comes out as it was sent.
#include "server/wire/request_parser.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onced::wire {
namespace {

using Progress = RequestParser::Progress;

struct Parsed {
  Progress progress = Progress::kNeedsMore;
  std::string code;    // of a refusal
  std::string detail;  // of a refusal
  Request request;     // when complete
  size_t consumed = 0;
};

// What becomes of the body: it is collected, also by a parser that stops before it, or handed on.
enum class Body { kCollected, kCollectedAfterAStop, kHandedOn };

// Feeds `bytes` in pieces of these sizes, the last one repeated, as a connection would.
Parsed Parse(std::string_view bytes, const std::vector<size_t>& pieces,
             const RequestLimits& limits = {}, Body body = Body::kCollected) {
  RequestParser parser(limits, body != Body::kCollected);
  Parsed parsed;
  std::string handed_on;
  const auto feed = [&](size_t arrived) {
    size_t consumed = 0;
    parsed.progress =
        parser.Feed(bytes.substr(parsed.consumed, arrived - parsed.consumed), &consumed);
    parsed.consumed += consumed;
    return parser.at_head();
  };
  size_t arrived = 0;
  for (size_t i = 0; parsed.progress == Progress::kNeedsMore && arrived < bytes.size(); ++i) {
    arrived = std::min(bytes.size(), arrived + pieces[std::min(i, pieces.size() - 1)]);
    if (!feed(arrived)) continue;
    if (body == Body::kHandedOn) {
      parser.StreamBody([&](std::string_view part) { handed_on.append(part); });
      EXPECT_EQ(parser.head().body, "");
    }
    feed(arrived);
  }
  if (parsed.progress == Progress::kComplete) parsed.request = parser.TakeRequest();
  parsed.request.body.append(handed_on);
  if (parsed.progress == Progress::kRefused) {
    parsed.code = parser.refusal().code;
    parsed.detail = parser.refusal().detail;
  }
  return parsed;
}

Parsed ParseWhole(std::string_view bytes, const RequestLimits& limits = {}) {
  return Parse(bytes, {bytes.size()}, limits);
}

// The number of bytes `parsed` covers is known only for a whole request.
void ExpectSame(const Parsed& whole, const Parsed& cut, const std::string& how) {
  EXPECT_EQ(whole.progress, cut.progress) << how;
  EXPECT_EQ(whole.code, cut.code) << how;
  EXPECT_EQ(whole.detail, cut.detail) << how;
  if (whole.progress != Progress::kComplete) return;
  EXPECT_EQ(whole.consumed, cut.consumed) << how;
  EXPECT_EQ(whole.request.method, cut.request.method) << how;
  EXPECT_EQ(whole.request.target, cut.request.target) << how;
  EXPECT_EQ(whole.request.minor_version, cut.request.minor_version) << how;
  EXPECT_EQ(whole.request.headers, cut.request.headers) << how;
  EXPECT_EQ(whole.request.body, cut.request.body) << how;
  EXPECT_EQ(whole.request.body_length, cut.request.body_length) << how;
  EXPECT_EQ(whole.request.keep_alive, cut.request.keep_alive) << how;
  EXPECT_EQ(whole.request.expects_continue, cut.request.expects_continue) << how;
}

// Cut in two at every place, in three at every two places (of a short one), and into single bytes.
void ExpectSameHoweverCut(const std::string& bytes, const RequestLimits& limits = {}) {
  constexpr size_t kShort = 120;
  const Parsed whole = ParseWhole(bytes, limits);
  for (size_t at = 1; at < bytes.size() && !testing::Test::HasFailure(); ++at) {
    for (size_t next = 1; next < 8 && bytes.size() < kShort; ++next) {
      ExpectSame(whole, Parse(bytes, {at, next, bytes.size()}, limits),
                 "cut at " + std::to_string(at) + " and " + std::to_string(next) + " on: " + bytes);
    }
    ExpectSame(whole, Parse(bytes, {at, bytes.size()}, limits),
               "cut at " + std::to_string(at) + ": " + bytes);
  }
  ExpectSame(whole, Parse(bytes, {1}, limits), "byte by byte: " + bytes);
  for (const Body body : {Body::kCollectedAfterAStop, Body::kHandedOn}) {
    if (body == Body::kHandedOn && whole.code == "payload_too_large") continue;
    for (size_t at = 1; at <= bytes.size() && !testing::Test::HasFailure(); ++at) {
      ExpectSame(whole, Parse(bytes, {at, bytes.size()}, limits, body),
                 "stopped at the head, cut at " + std::to_string(at) + ": " + bytes);
    }
  }
}

// Refused with this code, however it is cut; and again when another request follows it.
void ExpectRefused(const std::string& code, const std::string& bytes,
                   const RequestLimits& limits = {}) {
  const Parsed parsed = ParseWhole(bytes, limits);
  EXPECT_EQ(parsed.progress, Progress::kRefused) << bytes;
  EXPECT_EQ(parsed.code, code) << bytes;
  EXPECT_NE(parsed.detail, "") << bytes;
  ExpectSameHoweverCut(bytes, limits);
}

std::string Head(const std::string& lines) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
}
std::string Post(const std::string& lines, const std::string& body) {
  return "POST /v1/claim HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n" + body;
}
std::string Chunked(const std::string& chunks) {
  return Post("Transfer-Encoding: chunked\r\n", chunks);
}

TEST(RequestParser, GivesBackWhatWasSentHoweverItIsCut) {
  const std::string bytes =
      "POST /v1/keys/a%2Fb?scope=s+t HTTP/1.1\r\nHost: localhost:6623\r\nX-Odd:  two  words \t\r\n"
      "content-length: 11\r\nX-Empty:\r\nX-Odd: again\r\n\r\n{\"a\":\"\r\n\r\n\"";
  const Parsed parsed = ParseWhole(bytes);
  ASSERT_EQ(parsed.progress, Progress::kComplete) << parsed.detail;
  EXPECT_EQ(parsed.request.method, "POST");
  EXPECT_EQ(parsed.request.target, "/v1/keys/a%2Fb?scope=s+t");
  EXPECT_EQ(parsed.request.Header("x-odd"), "two  words");
  EXPECT_EQ(parsed.request.Header("X-Empty"), "");
  EXPECT_EQ(parsed.request.headers.size(), 5u);
  EXPECT_EQ(parsed.request.body, "{\"a\":\"\r\n\r\n\"");
  EXPECT_TRUE(parsed.request.keep_alive);
  ExpectSameHoweverCut(bytes);
}

TEST(RequestParser, JoinsChunksHoweverTheyAreCut) {
  const std::string bytes = Chunked("3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n");
  EXPECT_EQ(ParseWhole(bytes).request.body, "abc0123456789");
  ExpectSameHoweverCut(bytes);
  // Data that look like the end of the chunks.
  const std::string odd = Chunked("8\r\nabcd0\r\nX\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(ParseWhole(odd).request.body, "abcd0\r\nX0\r\n\r\n");
  ExpectSameHoweverCut(odd);
  EXPECT_EQ(ParseWhole(Chunked("0\r\n\r\n")).progress, Progress::kComplete);
  ExpectSameHoweverCut(Chunked("0\r\n\r\n"));
  EXPECT_EQ(ParseWhole(Chunked("f\r\n0123456789abcde\r\n0000\r\n\r\n")).request.body,
            "0123456789abcde");
}

TEST(RequestParser, TellsTheLengthOfABodyByTheHead) {
  EXPECT_EQ(ParseWhole(Post("Content-Length: 4\r\n", "1234")).request.body_length, 4);
  EXPECT_EQ(ParseWhole(Chunked("1\r\nx\r\n0\r\n\r\n")).request.body_length, -1);
  EXPECT_EQ(ParseWhole(Head("")).request.body_length, 0);
  RequestParser parser(RequestLimits{}, /*stops_at_head=*/true);
  size_t consumed = 0;
  EXPECT_EQ(parser.Feed(Post("Content-Length: 99999999999\r\n", "12"), &consumed),
            Progress::kNeedsMore);
  EXPECT_TRUE(parser.at_head());
  EXPECT_EQ(parser.head().body_length, 99999999999);
  EXPECT_EQ(parser.Feed("12", &consumed), Progress::kRefused) << "it was not to be handed on";
  EXPECT_EQ(parser.refusal().code, "payload_too_large");
}

TEST(RequestParser, LeavesTheNextRequestAlone) {
  const std::string first = Post("Content-Length: 2\r\n", "{}");
  const std::string second = "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n";
  const Parsed parsed = ParseWhole(first + second);
  EXPECT_EQ(parsed.progress, Progress::kComplete);
  EXPECT_EQ(parsed.consumed, first.size());
  EXPECT_EQ(parsed.request.body, "{}");
  ExpectSameHoweverCut(first + second);
  EXPECT_EQ(ParseWhole(Chunked("1\r\nx\r\n0\r\n\r\n") + second).consumed,
            Chunked("1\r\nx\r\n0\r\n\r\n").size());
  ExpectSameHoweverCut(Chunked("1\r\nx\r\n0\r\n\r\n") + second);
}

TEST(RequestParser, WantsMoreUntilTheBodyIsWhole) {
  const std::string bytes = Post("Content-Length: 4\r\n", "1234");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ParseWhole(bytes.substr(0, size)).progress, Progress::kNeedsMore) << size;
  }
  RequestParser parser(RequestLimits{});
  size_t consumed = 0;
  EXPECT_FALSE(parser.head_done());
  EXPECT_EQ(parser.Feed(Post("Content-Length: 4\r\n", "12"), &consumed), Progress::kNeedsMore);
  EXPECT_TRUE(parser.head_done());
  EXPECT_EQ(parser.body_bytes(), 2u);
}

TEST(RequestParser, IgnoresOneEmptyLineBeforeARequest) {
  EXPECT_EQ(ParseWhole("\r\n" + Head("")).progress, Progress::kComplete);
  ExpectSameHoweverCut("\r\n" + Head(""));
  ExpectRefused("invalid_request", "\r\n\r\n" + Head(""));
  ExpectRefused("invalid_request", "\r\n\r\n\r\n\r\n");
  ExpectRefused("invalid_request", "\n" + Head(""));
}

TEST(RequestParser, KeepsAConnectionAliveAsItsVersionSays) {
  EXPECT_TRUE(ParseWhole(Head("")).request.keep_alive);
  EXPECT_FALSE(ParseWhole(Head("Connection: close\r\n")).request.keep_alive);
  EXPECT_FALSE(ParseWhole(Head("Connection: x, Close\r\n")).request.keep_alive);
  const Parsed old = ParseWhole("GET / HTTP/1.0\r\n\r\n");
  ASSERT_EQ(old.progress, Progress::kComplete) << "1.0 needs no Host";
  EXPECT_EQ(old.request.minor_version, 0);
  EXPECT_FALSE(old.request.keep_alive);
  EXPECT_TRUE(ParseWhole("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").request.keep_alive);
}

TEST(RequestParser, TellsOfAClientThatWaitsToBeToldToGoOn) {
  RequestParser parser(RequestLimits{});
  size_t consumed = 0;
  EXPECT_EQ(parser.Feed(Post("Expect: 100-Continue\r\nContent-Length: 2\r\n", ""), &consumed),
            Progress::kNeedsMore);
  EXPECT_TRUE(parser.expects_continue());
  EXPECT_FALSE(ParseWhole(Head("")).request.expects_continue);
  // RFC 9110 10.1.1: a client of 1.0 would take "100" for the answer.
  EXPECT_FALSE(ParseWhole("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
                   .request.expects_continue);
}

// Whoever can make two parsers disagree about where a request ends can smuggle one.
TEST(RequestParser, RefusesALengthThatCanBeReadInTwoWays) {
  const char* const lengths[] = {"Content-Length: 2\r\nContent-Length: 2\r\n",
                                 "Content-Length: 2\r\nContent-Length: 3\r\n",
                                 "Content-Length: 2, 2\r\n",
                                 "Content-Length: 2,2\r\n",
                                 "Content-Length: 2,\r\n",
                                 "Content-Length: +2\r\n",
                                 "Content-Length: -2\r\n",
                                 "Content-Length: 0x2\r\n",
                                 "Content-Length: 2abc\r\n",
                                 "Content-Length: \r\n",
                                 "Content-Length: two\r\n",
                                 "Content-Length: 2 2\r\n",
                                 "Content-Length: 2.0\r\n",
                                 "Content-Length: 1e0\r\n",
                                 "Content-Length: \"2\"\r\n",
                                 "Content-Length: 99999999999999999999\r\n",
                                 "Content-Length: 18446744073709551618\r\n"};
  for (const char* length : lengths) ExpectRefused("invalid_request", Post(length, "{}"));
}

TEST(RequestParser, RefusesALengthBesideChunks) {
  const std::string chunks = "2\r\n{}\r\n0\r\n\r\n";
  for (const char* both : {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                           "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
                           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    ExpectRefused("invalid_request", Post(both, chunks));
  }
  ExpectRefused("invalid_request",
                "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks);
}

TEST(RequestParser, SpeaksNoTransferEncodingButChunked) {
  for (const char* coding : {"gzip, chunked", "chunked, chunked", "chunked, gzip", "gzip",
                             "identity", "xchunked", "chunked;q=1", "chunked,", "\"chunked\""}) {
    ExpectRefused("not_implemented",
                  Post(std::string("Transfer-Encoding: ") + coding + "\r\n", "0\r\n\r\n"));
  }
  EXPECT_EQ(ParseWhole(Post("transfer-encoding: CHUNKED\r\n", "0\r\n\r\n")).progress,
            Progress::kComplete);
}

TEST(RequestParser, RefusesMalformedChunks) {
  for (const char* chunks :
       {"-2\r\n{}\r\n0\r\n\r\n", "+2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n",
        "g\r\n{}\r\n0\r\n\r\n", "\r\n\r\n0\r\n\r\n", " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n", "2\r\n{}xx0\r\n\r\n", "2\r\n{}\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n", "11111111111111111\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\nx\r\n\r\n",
        "2\r\n{}\r\n0\r\n\nx"}) {
    ExpectRefused("invalid_request", Chunked(chunks));
  }
}

TEST(RequestParser, RefusesChunkExtensionsAndTrailers) {
  for (const char* chunks :
       {"2;a=b\r\n{}\r\n0\r\n\r\n", "2;\r\n{}\r\n0\r\n\r\n", "2;a\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0;a=b\r\n\r\n", "2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n", "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"}) {
    ExpectRefused("invalid_request", Chunked(chunks));
  }
}

TEST(RequestParser, RefusesLinesThatDoNotEndInCrLf) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\nHost: h\n\n"), std::string("GET / HTTP/1.1\r\nHost: h\n\r\n"),
        std::string("GET / HTTP/1.1\rHost: h\r\r"), Head("A: b\rC: d\r\n"), Head("A: b\nC: d\r\n"),
        Head("A: b\r\r\n"), std::string("GET / HTTP/1.1\r\nHost: h\r\n\n")}) {
    ExpectRefused("invalid_request", bytes + "\r\n\r\n");
  }
}

TEST(RequestParser, RefusesControlBytes) {
  for (const int byte : {0x00, 0x01, 0x08, 0x0B, 0x0C, 0x1B, 0x1F, 0x7F}) {
    const std::string bad(1, static_cast<char>(byte));
    ExpectRefused("invalid_request", Head("A: b" + bad + "c\r\n"));
    ExpectRefused("invalid_request", Head("A" + bad + ": b\r\n"));
    ExpectRefused("invalid_request", "GET /" + bad + " HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  ExpectRefused("invalid_request", "GET /\xC3\xA9 HTTP/1.1\r\nHost: h\r\n\r\n");
  ExpectRefused("invalid_request", "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(RequestParser, RefusesOddHeaderLines) {
  for (const char* lines : {"A : b\r\n", "A\t: b\r\n", " A: b\r\n", "A: b\r\n folded\r\n",
                            "A: b\r\n\tfolded\r\n", "no colon\r\n", "nocolon\r\n", ": b\r\n",
                            "A B: c\r\n", "A(b): c\r\n", "\"A\": b\r\n", "A/b: c\r\n"}) {
    ExpectRefused("invalid_request", Head(lines));
  }
}

TEST(RequestParser, WantsOneHost) {
  ExpectRefused("invalid_request", "GET / HTTP/1.1\r\n\r\n");
  ExpectRefused("invalid_request", "GET / HTTP/1.1\r\nA: b\r\n\r\n");
  ExpectRefused("invalid_request", Head("Host: h\r\n"));
  ExpectRefused("invalid_request", Head("host: other\r\n"));
  ExpectRefused("invalid_request", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
}

TEST(RequestParser, TakesPathsOnly) {
  for (const char* target : {"http://h/", "http://127.0.0.1/livez", "*", "h:443", "x", "?a=b"}) {
    ExpectRefused("invalid_request", "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  for (const char* line : {"GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /",
                           "GET / x HTTP/1.1", "G(T / HTTP/1.1", "/ HTTP/1.1", "GET / http/1.1",
                           "GET / HTTP/1", "GET / HTTP/1.11", "GET / HTTP/x.1"}) {
    ExpectRefused("invalid_request", std::string(line) + "\r\nHost: h\r\n\r\n");
  }
}

TEST(RequestParser, SpeaksHttp11And10Only) {
  for (const char* version : {"2.0", "0.9", "1.2", "9.9"}) {
    ExpectRefused("version_not_supported",
                  "GET / HTTP/" + std::string(version) + "\r\nHost: h\r\n\r\n");
  }
}

TEST(RequestParser, OffersNoUpgradeNoCodingAndNoOtherExpectation) {
  ExpectRefused("not_implemented", Head("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  ExpectRefused("not_implemented", Head("Upgrade: h2c\r\n"));
  ExpectRefused("unsupported_media_type",
                Post("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"));
  ExpectRefused("unsupported_media_type",
                Post("Content-Encoding: identity, br\r\nContent-Length: 2\r\n", "{}"));
  ExpectRefused("unsupported_media_type",
                Post("Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"
                     "Content-Length: 2\r\n",
                     "{}"));
  ExpectRefused("expectation_failed", Post("Expect: 200-ok\r\nContent-Length: 2\r\n", "{}"));
  EXPECT_EQ(ParseWhole(Post("Content-Encoding: Identity\r\nContent-Length: 2\r\n", "{}")).progress,
            Progress::kComplete);
}

TEST(RequestParser, HoldsTheHeadToItsLimits) {
  const RequestLimits limits{.head_bytes = 200, .headers = 5, .target_bytes = 100};
  const auto of_size = [](size_t size) {
    return Head("A: " + std::string(size - Head("A: \r\n").size(), 'x') + "\r\n");
  };
  EXPECT_EQ(ParseWhole(of_size(200), limits).progress, Progress::kComplete);
  ExpectSameHoweverCut(of_size(200), limits);
  ExpectRefused("head_too_large", of_size(201), limits);
  ExpectRefused("head_too_large", "GET / HTTP/1.1\r\nA: " + std::string(400, 'x'), limits);
  EXPECT_EQ(ParseWhole(Head("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n"), limits).progress,
            Progress::kComplete);
  ExpectRefused("head_too_large", Head("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n"), limits);
}

TEST(RequestParser, HoldsTheTargetToItsLimits) {
  const RequestLimits limits{.target_bytes = 60, .path_bytes = 30};
  const auto get = [](const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  const std::string path = "/" + std::string(29, 'p');
  EXPECT_EQ(ParseWhole(get(path), limits).progress, Progress::kComplete);
  EXPECT_EQ(ParseWhole(get(path + "?" + std::string(29, 'q')), limits).progress,
            Progress::kComplete);
  ExpectRefused("uri_too_long", get(path + "p"), limits);
  ExpectRefused("uri_too_long", get(path + "?" + std::string(30, 'q')), limits);
}

TEST(RequestParser, HoldsTheBodyToItsLimit) {
  const RequestLimits limits{.body_bytes = 10};
  const std::string ten = "0123456789";
  EXPECT_EQ(ParseWhole(Post("Content-Length: 10\r\n", ten), limits).request.body, ten);
  EXPECT_EQ(ParseWhole(Chunked("a\r\n" + ten + "\r\n0\r\n\r\n"), limits).request.body, ten);
  EXPECT_EQ(ParseWhole(Chunked("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"), limits).request.body, ten);
  ExpectRefused("payload_too_large", Post("Content-Length: 11\r\n", ten + "x"), limits);
  ExpectRefused("payload_too_large", Post("Content-Length: 18446744073709551615\r\n", ""), limits);
  ExpectRefused("payload_too_large", Chunked("b\r\n" + ten + "x\r\n0\r\n\r\n"), limits);
  ExpectRefused("payload_too_large", Chunked("5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n"), limits);
  ExpectRefused("payload_too_large", Chunked("ffffffffffffffff\r\nx"), limits);
  // Before a byte of the body, so that a client that waits for "100 Continue" never sends it.
  ExpectRefused("payload_too_large", Post("Expect: 100-continue\r\nContent-Length: 11\r\n", ""),
                limits);
}

// Two faults in one head: the cut must not choose which of them is told.
TEST(RequestParser, TellsTheSameFaultOfTwoHoweverItIsCut) {
  const RequestLimits limits{.head_bytes = 100, .headers = 3};
  ExpectSameHoweverCut(Head("A : b\r\nB: " + std::string(200, 'x') + "\r\n"), limits);
  ExpectSameHoweverCut(Head("B: " + std::string(200, 'x') + "\r\nA : b\r\n"), limits);
  ExpectSameHoweverCut("GET / HTTP/2.0\r\nA: 1\r\nB: 2\r\n C: 3\r\nD: 4\r\n\r\n", limits);
  ExpectSameHoweverCut("GET x HTTP/1.1\r\nHost: h\r\nHost: h\r\nUpgrade: x\r\n\r\n", limits);
}

// Found by the fuzzer: Beast waited for what lies behind a request line that is too short, so that
// its client was told nothing before its time was up.
TEST(RequestParser, RefusesAShortRequestLineAtOnce) {
  for (const char* line : {"GET /", "GET / ", "GET / H", "GET / HTTP/1.", "G", "GET"}) {
    ExpectRefused("invalid_request", std::string(line) + "\r\n\r\n");
    ExpectSameHoweverCut(std::string(line) + "\r\n\r\nTP/1.1\r\nHost: h\r\n\r\n");
  }
}

// Found by the fuzzer: of two faults, one in the head and one in the chunks, or both in what stands
// before a chunk, it depended on the cut which was told; and before a chunk any number of bytes was
// waited for.
TEST(RequestParser, JudgesWhatStandsBeforeAChunkByteAfterByte) {
  ExpectSameHoweverCut("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\rx");
  for (const char* chunks :
       {"0\r\nX y\r\n\r\n", "2;a=\"\x1A\x1A\"\r\n{}\r\n", "2;a", "2 ", "0\r\nX",
        "2\r\n{}\r\n0\r\nX y\r\n\r\n", "2\r\n{}x", "2\r\n{}\rx", "2\r\n{}\r\n;",
        "00000000000000002\r\n{}\r\n0\r\n\r\n", "00000000000000000", "0\rx"}) {
    ExpectRefused("invalid_request", Chunked(chunks));
  }
  for (const char* chunks : {"", "2", "2\r", "2\r\n", "2\r\n{}", "2\r\n{}\r", "2\r\n{}\r\n0\r\n",
                             "0000000000000000", "0\r\n\r"}) {
    EXPECT_EQ(ParseWhole(Chunked(chunks)).progress, Progress::kNeedsMore) << chunks;
  }
}

// Found by the fuzzer: a line end across the limit was a bare CR to who had all of the head, and
// part of a head that is too long to who had not.
TEST(RequestParser, TellsTheSameFaultOfAHeadThatGoesAstrayAtItsLimit) {
  const RequestLimits limits{.head_bytes = 100};
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
  for (size_t size = 90; size < 104; ++size) {
    const std::string line = start + std::string(size - start.size(), 'x');
    for (const char* rest : {"\r\n\r\n", "\rB: c\r\n\r\n", "\nB: c\r\n\r\n", "\x01\r\n\r\n"}) {
      ExpectSameHoweverCut(line + rest, limits);
    }
  }
}

}  // namespace
}  // namespace onced::wire

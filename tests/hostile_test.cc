// SPDX-License-Identifier: MIT
// Hostile bytes, sent as they are to the real program: each is refused with the answer written
// beside it and the connection closed, or is harmless and answered as if nothing were odd. The
// cases are those of the CVEs and defects that HTTP servers of this kind have had.
//
// Behind every hostile request follows a well-formed claim of the key "smuggled": whoever
// misunderstands where the first one ends would serve it.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/program.h"

namespace onced {
namespace {

constexpr size_t kHeadBytes = 16 * 1024;
constexpr size_t kHeaders = 64;
constexpr size_t kPathBytes = 1024;
constexpr size_t kTargetBytes = 8 * 1024;
constexpr size_t kBodyBytes = 1024 * 1024;

const std::string kSmuggled = RequestText("POST", "/v1/claim", "{\"key\":\"smuggled\"}");

struct Hostile {
  std::string bytes;
  int status;
  const char* code;
};

std::string Lines(const std::string& lines) {
  return "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + "\r\n";
}
std::string Line(const std::string& request_line) {
  return request_line + "\r\nHost: 127.0.0.1\r\n\r\n";
}
std::string Post(const std::string& lines, const std::string& body) {
  return "POST /v1/claim HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + "\r\n" + body;
}
std::string Chunked(const std::string& chunks) {
  return Post("Transfer-Encoding: chunked\r\n", chunks);
}
// A request whose head has this size.
std::string HeadOf(size_t size) {
  return Lines("X: " + std::string(size - Lines("X: \r\n").size(), 'x') + "\r\n");
}
// A claim of `key` whose body has this size.
std::string BodyOf(const std::string& key, size_t size) {
  const std::string body = "{\"key\":\"" + key + "\"";
  return body + std::string(size - body.size() - 1, ' ') + "}";
}
std::string Times(size_t count, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}
std::string Shown(const std::string& bytes) {
  std::string shown;
  for (const char c : bytes.substr(0, 300)) {
    shown += c == '\r' ? "\\r" : c == '\n' ? "\\n" : c == '\0' ? "\\0" : std::string(1, c);
  }
  return shown;
}

class Attacked : public testing::Test {
 protected:
  // Refused, with a readable answer and an orderly end; and a good client is served as before.
  void Refuses(const std::vector<Hostile>& cases) {
    for (const Hostile& c : cases) {
      SCOPED_TRACE(Shown(c.bytes));
      Client client = here.program.Connect();
      client.Send(c.bytes + kSmuggled);
      const HttpAnswer answer = client.Receive();
      ExpectProblem(answer, c.status, c.code);
      EXPECT_EQ(answer.Header("Connection"), "close");
      EXPECT_EQ(answer.Header("Cache-Control"), "no-store");
      EXPECT_EQ(answer.Header("X-Content-Type-Options"), "nosniff");
      EXPECT_TRUE(client.SeesEnd()) << "there must be one answer only, and the end";
      EXPECT_EQ(good.Ask("GET", "/livez").body, "ok\n");
    }
    EXPECT_EQ(good.Ask("GET", "/v1/keys/smuggled").status, 404);
  }
  // Answered with `status`, and the next request of the same connection is answered as itself.
  HttpAnswer Answers(const std::string& bytes, int status, bool of_head = false) {
    SCOPED_TRACE(Shown(bytes));
    Client client = here.program.Connect();
    client.Send(bytes + RequestText("GET", "/v1/keys/next-on-this-connection"));
    HttpAnswer answer = client.Receive(kPatience, of_head);
    EXPECT_EQ(answer.status, status) << answer.body;
    ExpectProblem(client.Receive(), 404, "not_found");
    EXPECT_FALSE(client.HasInput());
    return answer;
  }

  const OncedInAFolder here;
  Client good = here.program.Connect();
};

using Framing = Attacked;
using Head = Attacked;
using Target = Attacked;
using Limits = Attacked;
using Harmless = Attacked;

TEST_F(Framing, RefusesALengthThatCanBeReadInTwoWays) {
  std::vector<Hostile> cases;
  for (const char* length : {"2",
                             "3",
                             "2, 2",
                             "2,2",
                             "+2",
                             "-2",
                             "0x2",
                             "0X2",
                             "2abc",
                             "abc2",
                             "",
                             "\t",
                             "two",
                             "2 2",
                             "2.0",
                             "1e0",
                             "\"2\"",
                             "2;",
                             ",2",
                             "2\x0B",
                             "9223372036854775808",
                             "18446744073709551616",
                             "999999999999999999999999999999",
                             "-1",
                             "\xC2\xB2"}) {
    const std::string value(length);
    if (value.find_first_not_of("23") == std::string::npos && !value.empty()) {
      cases.push_back({Post("Content-Length: 2\r\nContent-Length: " + value + "\r\n", "{}"), 400,
                       "invalid_request"});
    } else {
      const bool huge = value == "9223372036854775808";
      cases.push_back({Post("Content-Length: " + value + "\r\n", "{}"), huge ? 413 : 400,
                       huge ? "payload_too_large" : "invalid_request"});
    }
  }
  Refuses(cases);
}

TEST_F(Framing, RefusesALengthBesideChunks) {
  const std::string body = "0\r\n\r\n";
  Refuses({
      {Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", body), 400, "invalid_request"},
      {Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body), 400, "invalid_request"},
      {Post("Content-Length: 0\r\ntransfer-encoding: Chunked\r\n", body), 400, "invalid_request"},
      {Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", body), 400,
       "invalid_request"},
      {"POST /v1/claim HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + body, 400,
       "invalid_request"},
  });
}

TEST_F(Framing, RefusesEveryCodingButChunked) {
  std::vector<Hostile> cases;
  for (const char* coding :
       {"gzip, chunked", "chunked, chunked", "chunked, identity", "identity, chunked", "gzip",
        "identity", "xchunked", "chunked;q=1", "chunked ; a=b", "chunked,", ",chunked", "cow",
        "\"chunked\"", "chunked\x80"}) {
    cases.push_back({Post(std::string("Transfer-Encoding: ") + coding + "\r\n", "0\r\n\r\n"), 501,
                     "not_implemented"});
  }
  cases.push_back({Post("Transfer-Encoding:\r\n", "0\r\n\r\n"), 501, "not_implemented"});
  cases.push_back({Post("Transfer-Encoding: \x0B"
                        "chunked\r\n",
                        "0\r\n\r\n"),
                   400, "invalid_request"});
  cases.push_back({Post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400, "invalid_request"});
  cases.push_back(
      {Post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400, "invalid_request"});
  Refuses(cases);
}

TEST_F(Framing, RefusesChunksThatAreNotWellFormed) {
  std::vector<Hostile> cases;
  for (const char* chunks :
       {"-2\r\n{}\r\n0\r\n\r\n", "+2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n",
        "g\r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n0\r\n\r\n", " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n\r\n", "2\r\n{}xx0\r\n\r\n", "2\r\n{}\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n", "2\r{}\r\n0\r\n\r\n", "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n", "3\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\n\nx",
        "2\r\n{}\r\n0\n\n0\r\n\r\n"}) {
    cases.push_back({Chunked(chunks), 400, "invalid_request"});
  }
  for (const char* chunks :
       {"2;a=b\r\n{}\r\n0\r\n\r\n", "2;\r\n{}\r\n0\r\n\r\n", "2;a\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0;a=b\r\n\r\n", "2;\n{}\r\n0\r\n\r\n", "2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n", "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
        "2\r\n{}\r\n0\r\nHost: a\r\n\r\n", "2\r\n{}\r\n0\r\n folded\r\n\r\n"}) {
    cases.push_back({Chunked(chunks), 400, "invalid_request"});
  }
  for (const char* size : {"ffffffffffffffff", "7fffffffffffffff", "100001", "80000000"}) {
    cases.push_back({Chunked(std::string(size) + "\r\n{}\r\n"), 413, "payload_too_large"});
  }
  Refuses(cases);
}

TEST_F(Head, RefusesBareLineEndsAndFoldedLines) {
  std::vector<Hostile> cases;
  for (const std::string& bytes :
       {std::string("GET /livez HTTP/1.1\nHost: 127.0.0.1\n\n"),
        std::string("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\n\r\n"),
        std::string("GET /livez HTTP/1.1\rHost: 127.0.0.1\r\r"), Lines("A: b\rC: d\r\n"),
        Lines("A: b\nC: d\r\n"), Lines("A: b\r\r\n"), Lines("A: b\n\r\n"), Lines("A: b\r\n c\r\n"),
        Lines("A: b\r\n\tc\r\n"), Lines(" A: b\r\n"), Lines("A:\r\n b\r\n"),
        std::string("GET /livez HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n"),
        std::string("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\n"), std::string("\n") + Lines(""),
        std::string("\r\n\r\n") + Lines("")}) {
    cases.push_back({bytes + "\r\n\r\n", 400, "invalid_request"});
  }
  Refuses(cases);
}

TEST_F(Head, RefusesControlBytesWhereverTheyAre) {
  std::vector<Hostile> cases;
  for (const int byte : {0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x1B, 0x1F, 0x7F}) {
    const std::string bad(1, static_cast<char>(byte));
    for (const std::string& bytes :
         {Lines("A: b" + bad + "c\r\n"), Lines("A: " + bad + "\r\n"), Lines("A" + bad + ": b\r\n"),
          Lines(bad + "A: b\r\n"), Lines("A:" + bad + "b\r\n"), Line("GET /" + bad + " HTTP/1.1"),
          Line("GE" + bad + "T / HTTP/1.1"), Line("GET / HTTP/1.1" + bad), bad + Lines("")}) {
      cases.push_back({bytes, 400, "invalid_request"});
    }
  }
  cases.push_back({Line("GET /a\tb HTTP/1.1"), 400, "invalid_request"});
  cases.push_back({Line("GET /\xC3\xA9 HTTP/1.1"), 400, "invalid_request"});
  Refuses(cases);
}

TEST_F(Head, RefusesHeaderNamesThatAreNone) {
  std::vector<Hostile> cases;
  for (const char* line :
       {"A : b", "A\t: b", ": b", ":", "no colon", "nocolon", "A B: c", "A(b): c", "\"A\": b",
        "A/b: c", "A\x80: b", "[A]: b", "A@b: c", "Host : 127.0.0.1"}) {
    cases.push_back({Lines(std::string(line) + "\r\n"), 400, "invalid_request"});
  }
  Refuses(cases);
}

TEST_F(Head, RefusesAnythingButOneHost) {
  const auto with = [](const std::string& hosts) {
    return "GET /livez HTTP/1.1\r\n" + hosts + "\r\n";
  };
  Refuses({{with(""), 400, "invalid_request"},
           {with("A: b\r\n"), 400, "invalid_request"},
           {with("Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"), 400, "invalid_request"},
           {with("Host: 127.0.0.1\r\nhost: other\r\n"), 400, "invalid_request"},
           {with("Host:\r\nHost: 127.0.0.1\r\n"), 400, "invalid_request"},
           {with("Host: 127.0.0.1, evil.example\r\n"), 400, "invalid_request"},
           {with("Host: 127.0.0.1 evil\r\n"), 400, "invalid_request"},
           {with("Host: 127.0.0.1@evil.example\r\n"), 400, "invalid_request"},
           {with("Host: 127.0.0.1/evil\r\n"), 400, "invalid_request"},
           {"GET /livez HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "invalid_request"}});
  EXPECT_EQ(Answers("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200).body, "ok\n");
  for (const char* list : {"", "127.0.0.1,127.0.0.1", "evil.example", "127.0.0.1.evil.example"}) {
    ExpectProblem(Answers(with("Host: " + std::string(list) + "\r\n"), 403), 403, "forbidden");
  }
}

TEST_F(Target, RefusesEveryFormButAPath) {
  std::vector<Hostile> cases;
  for (const char* line : {"GET http://127.0.0.1/livez HTTP/1.1",
                           "GET //127.0.0.1 HTTP/1.1 x",
                           "CONNECT 127.0.0.1:443 HTTP/1.1",
                           "OPTIONS * HTTP/1.1",
                           "GET * HTTP/1.1",
                           "GET livez HTTP/1.1",
                           "GET ?a=b HTTP/1.1",
                           "GET  /livez HTTP/1.1",
                           "GET /livez HTTP/1.1 ",
                           "GET /livez  HTTP/1.1",
                           " GET /livez HTTP/1.1",
                           "GET /li vez HTTP/1.1",
                           "GET /livez",
                           "GET",
                           "/livez HTTP/1.1",
                           "G(T /livez HTTP/1.1",
                           "GET /livez http/1.1",
                           "GET /livez HTTP/1",
                           "GET /livez HTTP/1.11",
                           "GET /livez HTTP/x.1",
                           "GET /livez HTTPS/1.1",
                           "GET /livez HTTP 1.1",
                           "GET\t/livez\tHTTP/1.1",
                           "GET /livez HTTP/+1.1",
                           "GET /livez HTTP/ 1.1"}) {
    cases.push_back({Line(line), 400, "invalid_request"});
  }
  cases.push_back({"GET /livez\r\n\r\n", 400, "invalid_request"});  // HTTP/0.9
  Refuses(cases);
}

// RFC 9112, 3.2.2, would have us take it. But a request with two authorities is how a proxy and its
// server come to differ over whose host was meant, and the guard of the port judges Host.
TEST_F(Target, RefusesAnAuthorityInItEvenTheRightOne) {
  std::vector<Hostile> cases;
  for (const char* target :
       {"http://127.0.0.1/livez", "HTTP://127.0.0.1/livez", "http://127.0.0.1",
        "https://127.0.0.1/livez", "http://evil.example/livez", "http:///livez",
        "http://127.0.0.1@evil.example/livez", "127.0.0.1/livez"}) {
    cases.push_back({Line("GET " + std::string(target) + " HTTP/1.1"), 400, "invalid_request"});
  }
  Refuses(cases);
  ExpectProblem(Answers(Line("GET //127.0.0.1/livez HTTP/1.1"), 404), 404, "not_found");
}

TEST_F(Target, RefusesOtherVersionsAndOtherProtocols) {
  std::vector<Hostile> cases;
  for (const char* version : {"0.9", "1.2", "1.9", "2.0", "3.0", "9.9"}) {
    cases.push_back(
        {Line("GET /livez HTTP/" + std::string(version)), 505, "version_not_supported"});
  }
  cases.push_back({"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"});
  cases.push_back({std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", 11), 400,
                   "invalid_request"});  // a TLS handshake
  cases.push_back({"*1\r\n$4\r\nPING\r\n\r\n", 400, "invalid_request"});
  cases.push_back({"EHLO example.org\r\n\r\n", 400, "invalid_request"});
  Refuses(cases);
}

TEST_F(Target, OfAnUnknownMethodIsToldWhichAreTaken) {
  for (const char* method : {"get", "Get", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT",
                             "PROPFIND", "M-SEARCH", "BREW", "DELETE", "PRI"}) {
    const HttpAnswer answer = Answers(Line(std::string(method) + " /livez HTTP/1.1"), 405);
    ExpectProblem(answer, 405, "method_not_allowed");
    EXPECT_EQ(answer.Header("Allow"), "GET, HEAD");
  }
}

TEST_F(Target, IsDecodedOnceAndOnlyIntoAKey) {
  for (const char* path : {"%00", "k%00", "%0d%0a", "%7f", "%zz", "%", "%4", "k%2", "%u0041"}) {
    ExpectProblem(Answers(Line("GET /v1/keys/" + std::string(path) + " HTTP/1.1"), 400), 400,
                  "invalid_request");
  }
  for (const char* path : {"/v1/keys/%2e%2e", "/v1/keys/..", "/v1/keys/%2e%2e%2flivez",
                           "/v1/keys/../livez", "/v1/../livez", "/./livez", "//livez", "/livez/",
                           "/livez#x", "/livez;x", "/livez%3Fa", "/%252e", "/LIVEZ"}) {
    ExpectProblem(Answers(Line("GET " + std::string(path) + " HTTP/1.1"), 404), 404, "not_found");
  }
  EXPECT_EQ(Answers(Line("GET /%6civez HTTP/1.1"), 200).body, "ok\n");
  here.Claim("a?b", "'scope':'c?d'");
  EXPECT_EQ(Answers(Line("GET /v1/keys/a%3Fb?scope=c?d HTTP/1.1"), 200).Field("/key"), "a?b");
  here.Claim("..");
  EXPECT_EQ(Answers(Line("GET /v1/keys/%2e%2e HTTP/1.1"), 200).Field("/key"), "..");
}

TEST_F(Limits, HoldForThePathAndTheTarget) {
  const auto get = [](size_t path, size_t query) {
    return Line("GET /" + std::string(path - 1, 'p') +
                (query > 0 ? "?" + std::string(query - 1, 'q') : "") + " HTTP/1.1");
  };
  for (const size_t size : {kPathBytes - 1, kPathBytes}) Answers(get(size, 0), 404);
  for (const size_t size : {kTargetBytes - 1, kTargetBytes}) Answers(get(500, size - 500), 404);
  Refuses({{get(kPathBytes + 1, 0), 414, "uri_too_long"},
           {get(kTargetBytes, 0), 414, "uri_too_long"},
           {get(500, kTargetBytes + 1 - 500), 414, "uri_too_long"}});
}

TEST_F(Limits, HoldForTheHead) {
  for (const size_t count : {kHeaders - 1, kHeaders}) {
    Answers(Lines(Times(count - 1, "A: b\r\n")), 200);
  }
  for (const size_t size : {kHeadBytes - 1, kHeadBytes}) Answers(HeadOf(size), 200);
  Refuses({{Lines(Times(kHeaders, "A: b\r\n")), 431, "head_too_large"},
           {HeadOf(kHeadBytes + 1), 431, "head_too_large"},
           {Lines(std::string(100'000, 'N') + ": v\r\n"), 431, "head_too_large"},
           {Lines(Times(5'000, "A: b\r\n")), 431, "head_too_large"},
           {std::string(100'000, 'M') + " / HTTP/1.1\r\n", 431, "head_too_large"},
           {"GET / HTTP/1.1\r\nA: " + std::string(100'000, 'x'), 431, "head_too_large"}});
}

TEST_F(Limits, HoldForTheBody) {
  for (const size_t size : {kBodyBytes - 1, kBodyBytes}) {
    const std::string key = "k" + std::to_string(size);
    Answers(RequestText("POST", "/v1/claim", BodyOf(key, size)), 201);
    Answers(Chunked("fffe\r\n" + BodyOf("c" + key, size).substr(0, 0xFFFE) + "\r\n" +
                    [&] {
                      char rest[20];
                      snprintf(rest, sizeof rest, "%zx\r\n", size - 0xFFFE);
                      return rest + BodyOf("c" + key, size).substr(0xFFFE);
                    }() +
                    "\r\n0\r\n\r\n"),
            201);
  }
  const std::string whole = BodyOf("smuggled", kBodyBytes);
  Refuses(
      {{RequestText("POST", "/v1/claim", whole + " "), 413, "payload_too_large"},
       {Post("Content-Length: 1048577\r\nExpect: 100-continue\r\n", ""), 413, "payload_too_large"},
       {Chunked("100001\r\n" + whole + " \r\n0\r\n\r\n"), 413, "payload_too_large"},
       {Chunked("100000\r\n" + whole + "\r\n1\r\n \r\n0\r\n\r\n"), 413, "payload_too_large"}});
}

TEST_F(Head, OffersNoUpgradeNoCodingAndNoOtherExpectation) {
  Refuses(
      {{Lines("Connection: Upgrade\r\nUpgrade: websocket\r\n"), 501, "not_implemented"},
       {Lines("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"), 501,
        "not_implemented"},
       {Post("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "\x1F\x8B"), 415,
        "unsupported_media_type"},
       {Post("Content-Encoding: br\r\nContent-Length: 2\r\n", "{}"), 415, "unsupported_media_type"},
       {Post("Content-Encoding: identity, deflate\r\nContent-Length: 2\r\n", "{}"), 415,
        "unsupported_media_type"},
       {Post("Expect: 200-ok\r\nContent-Length: 2\r\n", "{}"), 417, "expectation_failed"},
       {Post("Expect: 100-continue, 100-continue\r\nContent-Length: 2\r\n", "{}"), 417,
        "expectation_failed"},
       {Post("Expect:\r\nContent-Length: 2\r\n", "{}"), 417, "expectation_failed"}});
}

// A body that no handler wants is still the body, and not the next request.
TEST_F(Harmless, IsABodyThatNobodyReads) {
  for (const char* call : {"GET /livez", "DELETE /v1/keys/none", "OPTIONS /v1/claim", "PUT /livez",
                           "POST /nothing/here", "GET /v1/keys/none"}) {
    SCOPED_TRACE(call);
    const std::string head = std::string(call) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    const int status = Answers(head + "\r\n", good.Ask(std::string(call).substr(0, head.find(' ')),
                                                       std::string(call).substr(head.find(' ') + 1))
                                                  .status)
                           .status;
    Answers(head + "Content-Length: " + std::to_string(kSmuggled.size()) + "\r\n\r\n" + kSmuggled,
            status);
    char size[20];
    snprintf(size, sizeof size, "%zx\r\n", kSmuggled.size());
    Answers(head + "Transfer-Encoding: chunked\r\n\r\n" + size + kSmuggled + "\r\n0\r\n\r\n",
            status);
  }
  Answers("HEAD /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " +
              std::to_string(kSmuggled.size()) + "\r\n\r\n" + kSmuggled,
          200, /*of_head=*/true);
  EXPECT_EQ(good.Ask("GET", "/v1/keys/smuggled").status, 404);
}

// The library would decode them, and so make one key of two, or a line end of four characters.
TEST_F(Harmless, AreEscapesInHeaderValues) {
  const auto pay = [&](const std::string& key) {
    return good.Ask("POST", "/api/payments", Json("{'amount':5,'currency':'EUR'}"),
                    {{"Idempotency-Key", key}});
  };
  EXPECT_EQ(pay("a%62").Header("Idempotent-Replayed"), "");
  EXPECT_EQ(pay("ab").Header("Idempotent-Replayed"), "") << "another key";
  EXPECT_EQ(pay("a%62").Header("Idempotent-Replayed"), "true");
  const HttpAnswer split = pay("x%0d%0aX-Injected:%20yes");
  EXPECT_EQ(split.status, 201);
  EXPECT_EQ(split.Header("Idempotency-Key"), "x%0d%0aX-Injected:%20yes");
  EXPECT_EQ(split.Header("X-Injected"), "");
  EXPECT_EQ(pay("x%00y%u000d").Header("Idempotency-Key"), "x%00y%u000d");
}

TEST_F(Harmless, AreHeadersThatALibraryOrAProxyWouldActOn) {
  const std::string result = "\"" + std::string(100'000, 'r') + "\"";
  here.Complete("k", here.Claim("k"), result);
  const std::string ranges = "bytes=0-" + Times(3'000, ",0-");
  const std::vector<std::string> lines = {"Range: bytes=0-0",
                                          "Range: bytes=0-,0-,5-,-5",
                                          "Range: " + ranges,
                                          "If-Range: x",
                                          "If-None-Match: *",
                                          "If-Modified-Since: Thu, 01 Jan 2032 00:00:00 GMT",
                                          "Accept-Encoding: gzip, br, deflate",
                                          "Accept-Encoding: *",
                                          "TE: trailers, chunked",
                                          "REMOTE_ADDR: 8.8.8.8",
                                          "REMOTE_PORT: x",
                                          "LOCAL_ADDR: 8.8.8.8",
                                          "LOCAL_PORT: -1",
                                          "X-Forwarded-For: , ,",
                                          "X-Forwarded-Host: evil.example",
                                          "X-HTTP-Method-Override: DELETE",
                                          "X-Original-URL: /v1/status",
                                          "Connection: Host, Content-Length",
                                          "Keep-Alive: timeout=-1",
                                          "Trailer: Content-Length",
                                          "Transfer_Encoding: chunked",
                                          "Content_Length: 5",
                                          "Cookie: \xFF\xFE; a=\"",
                                          "Content-Type: multipart/form-data; boundary=x",
                                          "Max-Forwards: 0",
                                          "Content-Range: bytes 0-1/2"};
  for (const std::string& line : lines) {
    const HttpAnswer answer =
        Answers("GET /v1/keys/k/result HTTP/1.1\r\nHost: 127.0.0.1\r\n" + line + "\r\n\r\n", 200);
    EXPECT_TRUE(answer.body == result) << line.substr(0, 100);
    EXPECT_EQ(answer.Header("Content-Encoding") + answer.Header("Content-Range"), "") << line;
    for (const auto& [name, value] : answer.headers) {
      EXPECT_EQ(value.find("8.8.8.8"), std::string::npos) << name;
    }
  }
}

// Where the library would run a regular expression that recurses once a character, or unpack: long
// lines of the kinds that have crashed it.
TEST_F(Harmless, AreBodiesThatAreNoJson) {
  const std::string part = "--x\r\nContent-Disposition: form-data; name=\"" +
                           std::string(200'000, 'a') + "\"; filename*=UTF-8''" +
                           std::string(200'000, '%') + "\r\n\r\nv\r\n--x--\r\n";
  for (const char* type :
       {"multipart/form-data; boundary=x", "multipart/form-data", "multipart/mixed; boundary=\"\"",
        "application/x-www-form-urlencoded", "text/plain", "application/json-patch+json",
        "application/jsonx", "application/json, text/plain"}) {
    SCOPED_TRACE(type);
    const HttpAnswer answer =
        Answers(RequestText("POST", "/v1/claim", part, {{"Content-Type", type}}), 415);
    ExpectProblem(answer, 415, "unsupported_media_type");
    EXPECT_EQ(Answers(RequestText("GET", "/livez", part, {{"Content-Type", type}}), 200).body,
              "ok\n");
  }
  const std::string long_value = std::string(15'000, '(');
  EXPECT_EQ(Answers(Lines("Content-Type: " + long_value + "\r\n"), 200).body, "ok\n");
  EXPECT_EQ(Answers(Lines("Range: bytes=" + Times(7'000, "1-") + "\r\n"), 200).body, "ok\n");
  Answers(Line("GET /" + Times(500, "((") + " HTTP/1.1"), 404);
  Answers(Line("GET /v1/keys?prefix=" + std::string(8'000, '(') + " HTTP/1.1"), 400);
}

// RFC 9110 10.1.1: a client of 1.0 does not know what 100 means.
TEST_F(Harmless, IsAnExpectationOfAClientThatWouldNotUnderstandTheAnswer) {
  const std::string body = "{\"key\":\"k\"}";
  const std::string lines =
      "Host: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n";
  Client now = here.program.Connect();
  now.Send("POST /v1/claim HTTP/1.1\r\n" + lines);
  EXPECT_EQ(now.Receive().status, 100);
  now.Send(body);
  EXPECT_EQ(now.Receive().status, 201);
  Client old = here.program.Connect();
  old.Send("POST /v1/claim HTTP/1.0\r\n" + lines);
  EXPECT_EQ(good.Ask("GET", "/livez").status, 200);
  old.Send(body);
  EXPECT_EQ(old.Receive().status, 409) << "the first answer is the final one";
}

}  // namespace
}  // namespace onced

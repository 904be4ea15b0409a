// SPDX-License-Identifier: MIT
// Bad input, nothing lost: whatever is sent, the answer is a problem that names the field and says
// what is allowed, and the state is as it was.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/program.h"

namespace onced {
namespace {

// A server with one claim under way and one result stored, which no bad request may touch.
struct Guarded : OncedInAFolder {
  Guarded() : fence(Claim("running", "'fingerprint':'fp'")) {
    Post("/v1/complete", "{'key':'done','fingerprint':'fp','result':'kept'}");
    before = State();
  }
  std::string State() const {
    return Get("/v1/keys").body + Get("/v1/keys/running").body + Get("/v1/keys/done/result").body +
           Get("/v1/keys/running/history").body;
  }
  // `text` goes as it is, but for '.
  void Refuses(const std::string& target, const std::string& text, const std::string& field) const {
    SCOPED_TRACE(target + " " + text.substr(0, 200));
    ExpectRefusal(Post(target, text), 400, "invalid_request", field);
    EXPECT_EQ(State(), before);
  }

  std::string fence;
  std::string before;
};

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(BadInput, ThatIsNoJsonObjectIsRefused) {
  const Guarded here;
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[]",
                           "null",
                           "5",
                           "\"k\"",
                           "{'key':'k'",
                           "{'key':'k'}}",
                           "{'key':'k',}",
                           "{key:'k'}",
                           "{'key':'k'} x",
                           "{'key':\\u0027k'}",
                           "{'key':'k\n'}",
                           "{'key':'\\x'}",
                           "{'key':'\xFF'}",
                           "{'key':'\xC0\xAF'}",
                           "{'key':'\xED\xA0\x80'}",
                           "\xEF\xBB\xBF{'key':'k'}",
                           "{'key':'k','lease_ms':0100}",
                           "{'key':'k','lease_ms':+100}",
                           "{'key':'k','lease_ms':.5}",
                           "{'key':'k','lease_ms':NaN}",
                           "{'key':'k'/**/}",
                           "{\"key\":\"k\0\"}"}) {
    for (const char* call : {"/v1/claim", "/v1/complete", "/v1/renew", "/v1/resolve", "/v1/batch",
                             "/v1/keygen", "/api/payments"}) {
      here.Refuses(call, text, "body");
    }
  }
  here.Refuses("/v1/claim", std::string("{\"key\":\"k\0\"}", 12), "body");
}

TEST(BadInput, ThatNamesAFieldTwiceIsRefused) {
  const Guarded here;
  here.Refuses("/v1/claim", "{'key':'k','key':'k'}", "body");
  here.Refuses("/v1/claim", "{'key':'k','\\u006bey':'j'}", "body");
  here.Refuses("/v1/complete", "{'key':'running','fence':'1','fence':'" + here.fence + "'}",
               "body");
}

TEST(BadInput, ThatIsTooDeepIsRefused) {
  const Guarded here;
  here.Refuses("/v1/complete", "{'key':'k','result':" + Nested(33) + "}", "body");
  here.Refuses("/v1/complete", "{'key':'k','result':" + Nested(100'000) + "}", "body");
  here.Refuses("/v1/claim", Nested(500'000), "body");
  here.Refuses("/v1/keygen", "{'data':" + Nested(33) + "}", "body");
  EXPECT_EQ(here.Post("/v1/complete", "{'key':'k','result':" + Nested(32) + "}").status, 200);
  EXPECT_EQ(here.Get("/v1/keys/k/result").body, Nested(32));
  EXPECT_EQ(here.Post("/v1/keygen", "{'data':" + Nested(32) + "}").status, 200);
}

TEST(BadInput, ThatIsTooLargeIsRefused) {
  const Guarded here;
  const auto complete = [](size_t size) {
    const std::string around = "{\"key\":\"k\",\"result\":\"\"}";
    return "{\"key\":\"k\",\"result\":\"" + std::string(size - around.size(), 'x') + "\"}";
  };
  constexpr size_t kMost = 1 << 20;
  const HttpAnswer refused = here.program.Ask("POST", "/v1/complete", complete(kMost + 1));
  ExpectProblem(refused, 413, "payload_too_large");
  EXPECT_NE(refused.Field("/detail").find("1048576"), std::string::npos) << "says what is allowed";
  EXPECT_EQ(here.State(), here.before);
  EXPECT_EQ(here.program.Ask("POST", "/v1/complete", complete(kMost)).status, 200);
  EXPECT_EQ(here.Get("/v1/keys/k").Field("/state"), "completed");
}

TEST(BadInput, OfAnUnknownFieldIsRefused) {
  const Guarded here;
  here.Refuses("/v1/claim", "{'key':'k','leasems':1000}", "leasems");
  here.Refuses("/v1/claim", "{'key':'k','fence':'1'}", "fence");
  here.Refuses("/v1/release", "{'key':'running','fence':'" + here.fence + "','force':true}",
               "force");
  here.Refuses("/v1/complete", "{'key':'running','fence':'" + here.fence + "','resutl':1}",
               "resutl");
  here.Refuses("/v1/keygen", "{'data':1,'scope':'s'}", "scope");
  here.Refuses("/api/payments", "{'amount':1,'currency':'EUR','x':1}", "x");
}

TEST(BadInput, OfTheWrongTypeIsRefused) {
  const Guarded here;
  for (const char* value : {"null", "5", "true", "[]", "{}"}) {
    for (const char* field : {"key", "scope", "fingerprint", "claim_id", "holder", "on_lapse"}) {
      const std::string key = std::string(field) == "key" ? "" : "'key':'k',";
      here.Refuses("/v1/claim", "{" + key + "'" + field + "':" + value + "}", field);
    }
    here.Refuses("/v1/complete", "{'key':'k','fence':" + std::string(value) + "}", "fence");
  }
  for (const char* value : {"null", "'5'", "true", "[]", "1.0", "1e3"}) {
    for (const char* field : {"lease_ms", "retention_ms", "wait_ms"}) {
      here.Refuses("/v1/claim", "{'key':'k','" + std::string(field) + "':" + value + "}", field);
    }
  }
}

TEST(BadInput, OfKeysAndScopesIsRefused) {
  const Guarded here;
  for (const std::string& bad :
       {std::string(), std::string(256, 'k'), std::string("a b"), std::string(" "),
        std::string("\\u0000"), std::string("a\\n"), std::string("\\u007f"),
        std::string("\xC3\xA9"), std::string("\\ud800")}) {
    here.Refuses("/v1/claim", "{'key':'" + bad + "'}", "key");
    here.Refuses("/v1/complete", "{'key':'" + bad + "'}", "key");
    here.Refuses("/v1/claim", "{'key':'k','scope':'" + bad + "'}", "scope");
  }
  here.Refuses("/v1/claim", "{}", "key");
  const std::string longest(255, 'k');
  EXPECT_EQ(here.Post("/v1/claim", "{'key':'" + longest + "','scope':'" + longest + "'}").status,
            201);
  EXPECT_EQ(here.Get("/v1/keys/" + longest + "?scope=" + longest).Field("/key"), longest);
}

TEST(BadInput, OfLeasesRetentionsAndWaitsIsRefused) {
  const Guarded here;
  const struct {
    const char* field;
    std::vector<const char*> bad;
    const char* allowed;
  } table[] = {{"lease_ms", {"0", "-1", "99", "3600001", "99999999999999999999"}, "100..3600000"},
               {"retention_ms",
                {"0", "-1", "999", "2592000001", "-9223372036854775809"},
                "1000..2592000000"},
               {"wait_ms", {"-1", "30001", "9223372036854775807"}, "0..30000"}};
  for (const auto& [field, bad, allowed] : table) {
    for (const char* value : bad) {
      const std::string text = "{'key':'k','" + std::string(field) + "':" + value + "}";
      here.Refuses("/v1/claim", text, field);
      const std::string detail = here.Post("/v1/claim", text).Field("/detail");
      EXPECT_TRUE(detail.find(allowed) != std::string::npos ||
                  detail.find("out of range") != std::string::npos)
          << detail;
    }
  }
  const std::string own = "{'key':'running','fence':'" + here.fence + "'";
  here.Refuses("/v1/renew", own + ",'lease_ms':0}", "lease_ms");
  here.Refuses("/v1/complete", own + ",'retention_ms':0}", "retention_ms");
  here.Refuses("/v1/complete", "{'key':'k','retention_ms':2592000001}", "retention_ms");
}

TEST(BadInput, OfFencesIsRefused) {
  const Guarded here;
  for (const char* bad : {"", "0", "-1", "+1", "0x1", "1.0", " 1", "18446744073709551616", "abc"}) {
    for (const char* call : {"/v1/complete", "/v1/release", "/v1/renew", "/v1/mark-unknown"}) {
      here.Refuses(call, "{'key':'running','fence':'" + std::string(bad) + "'}", "fence");
    }
  }
  here.Refuses("/v1/release", "{'key':'running'}", "fence");
  here.Refuses("/v1/release", "{'key':'running','fence':" + here.fence + "}", "fence");
}

TEST(BadInput, OfQueriesIsRefused) {
  const Guarded here;
  const struct {
    const char* target;
    const char* field;
  } table[] = {{"/v1/keys?limit=0", "limit"},
               {"/v1/keys?limit=1001", "limit"},
               {"/v1/keys?limit=x", "limit"},
               {"/v1/keys?state=gone", "state"},
               {"/v1/keys?scope=", "scope"},
               {"/v1/keys?prefix=a%20b", "prefix"},
               {"/v1/keys?cursor=", "cursor"},
               {"/v1/keys?tenant=", "tenant"},
               {"/v1/keys/k/result?tenant=x", "tenant"},
               {"/v1/keys?limit=1&limit=2", "limit"},
               {"/v1/keys?a?b=1", "a?b"},
               {"/v1/keys/running?scpe=x", "scpe"},
               {"/v1/keys/running/result?wait_ms=30001", "wait_ms"},
               {"/v1/keys/running/result?wait_ms=-1", "wait_ms"},
               {"/v1/keys/running/history?x", "x"},
               {"/v1/keys/a%20b", "key"},
               {"/v1/keys/running%00", "target"},
               {"/v1/keys/%zz", "target"},
               {"/v1/status?x=1", "x"},
               {"/.well-known/idempotency?x=1", "x"},
               {"/readyz?verbos", "verbos"},
               {"/api/payments?limit=0", "limit"},
               {"/api/payments/p?x=1", "x"}};
  for (const auto& [target, field] : table) {
    SCOPED_TRACE(target);
    ExpectRefusal(here.Get(target), 400, "invalid_request", field);
  }
  ExpectRefusal(here.Delete("/v1/keys/running?force=yes"), 400, "invalid_request", "force");
  ExpectRefusal(here.Delete("/v1/keys/running?forc=true"), 400, "invalid_request", "forc");
  for (const char* call : {"/v1/claim?x=1", "/v1/complete?x=1"}) {
    here.Refuses(call, "{'key':'k'}", "x");
  }
  here.Refuses("/v1/batch?x=1", "{'operations':[{'op':'claim','key':'k'}]}", "x");
  here.Refuses("/v1/keygen?x=1", "{'data':1}", "x");
  here.Refuses("/api/payments?x=1", "{'amount':1,'currency':'EUR'}", "x");
  EXPECT_EQ(here.State(), here.before);
}

// Whatever is wrong with a request as such, the answer is a problem document too.
TEST(BadInput, OfTheWireIsToldAsAProblemToo) {
  const Guarded here;
  const struct {
    std::string bytes;
    int status;
    const char* code;
  } table[] = {
      {"GET /livez HTTP/1.1\r\n\r\n", 400, "invalid_request"},
      {"GET /livez HTTP/1.1\nHost: localhost\n\n", 400, "invalid_request"},
      {"\x16\x03\x01\x02" + std::string(60, '\0'), 400, "invalid_request"},
      {"GET /livez HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, "version_not_supported"},
      {RequestText("GET", "/" + std::string(1025, 'x')), 414, "uri_too_long"},
      {RequestText("GET", "/?" + std::string(9'000, 'x')), 414, "uri_too_long"},
      {RequestText("GET", "/livez", "", {{"X", std::string(17'000, 'x')}}), 431, "head_too_large"},
      {RequestText("GET", "/", "", Headers(64, {"X", "y"})), 431, "head_too_large"},
      {RequestText("POST", "/v1/claim", "{}", {{"Content-Encoding", "gzip"}}), 415,
       "unsupported_media_type"},
      {RequestText("GET", "/", "", {{"Upgrade", "h2c"}}), 501, "not_implemented"},
      {RequestText("POST", "/v1/claim", "{}", {{"Expect", "x"}}), 417, "expectation_failed"},
      {RequestText("BREW", "/v1/claim"), 405, "method_not_allowed"},
      {RequestText("CONNECT", "/v1/claim"), 405, "method_not_allowed"},
      {RequestText("post", "/v1/claim", "{}"), 405, "method_not_allowed"},
      {RequestText("GET", "/nothing?a?b?c"), 404, "not_found"},
      {RequestText("GET", "/nothing#fragment"), 404, "not_found"},
      {RequestText("GET", "/nothing", "", {{"X", std::string(10'000, 'x')}}), 404, "not_found"},
      {RequestText("GET", "/nothing", "", {{"X", std::string(5'000, '%')}}), 404, "not_found"},
      {RequestText("GET", "/nothing", "", {{"Range", "bytes=0-1,0-1,0-1"}}), 404, "not_found"},
      {RequestText("GET", "/nothing", "", {{"Accept-Encoding", "gzip"}}), 404, "not_found"}};
  for (const auto& [bytes, status, code] : table) {
    SCOPED_TRACE(bytes.substr(0, 80));
    Client client = here.program.Connect();
    client.Send(bytes);
    ExpectProblem(client.Receive(), status, code);
  }
  EXPECT_EQ(here.State(), here.before);
}

// A refusal ends the connection, so what follows it is never taken for a request.
TEST(BadInput, NeverSmugglesARequest) {
  const Guarded here;
  const std::string second = RequestText("POST", "/v1/claim", "{\"key\":\"smuggled\"}");
  for (const std::string& first :
       {RequestText("POST", "/v1/claim", "", {{"Transfer-Encoding", "chunked"}}) + "0\r\n\r\n",
        RequestText("POST", "/v1/claim", "", {{"Content-Length", "0"}}),
        std::string("POST /v1/claim HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n0\r\nX: y\r\n\r\n"),
        std::string("POST /v1/claim HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : "
                    "chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")}) {
    Client client = here.program.Connect();
    client.Send(first + second);
    EXPECT_EQ(client.Receive().status, 400);
    EXPECT_TRUE(client.SeesEnd());
  }
  // The body of a GET belongs to that GET.
  Client client = here.program.Connect();
  client.Send(RequestText("GET", "/livez", second));
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_EQ(client.Ask("GET", "/v1/keys/smuggled").status, 404);
  EXPECT_EQ(here.State(), here.before);
}

TEST(BadInput, OfAWebPageIsRefused) {
  const Guarded here;
  const auto judged = [&](const std::string& method, const Headers& headers) {
    return here.program.Ask(method, "/v1/claim", "{\"key\":\"page\"}", headers);
  };
  ExpectRefusal(judged("POST", {{"Host", "evil.example"}}), 403, "forbidden", "Host");
  ExpectRefusal(judged("POST", {{"Origin", "https://evil.example"}}), 403, "forbidden", "Origin");
  ExpectRefusal(judged("POST", {{"Origin", "null"}}), 403, "forbidden", "Origin");
  ExpectRefusal(judged("POST", {{"Sec-Fetch-Site", "cross-site"}}), 403, "forbidden",
                "Sec-Fetch-Site");
  ExpectRefusal(judged("POST", {{"Content-Type", "text/plain"}}), 415, "unsupported_media_type",
                "Content-Type");
  EXPECT_EQ(here.program.Ask("GET", "/livez", "", {{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(here.State(), here.before);
  EXPECT_EQ(judged("POST", {{"Host", "localhost:1"},
                            {"Origin", "http://localhost:1"},
                            {"Sec-Fetch-Site", "same-origin"},
                            {"Content-Type", "application/json"}})
                .status,
            201);
}

}  // namespace
}  // namespace onced

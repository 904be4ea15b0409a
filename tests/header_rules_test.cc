// SPDX-License-Identifier: MIT
// What crosses the gateway: one hop's own stays on it, onced's own is never believed, and what is
// kept with an answer is nobody's session.
#include "server/gateway/header_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/gateway/http_date.h"

namespace onced {
namespace {

const wire::Peer kPeer{.address = "192.0.2.7"};

// All values of a header, joined; "(none)" when there is none.
std::string All(const HeaderList& headers, const std::string& name) {
  std::string all;
  for (const auto& [one, value] : headers) {
    if (wire::SameName(one, name)) all += (all.empty() ? "" : " | ") + value;
  }
  return all.empty() ? "(none)" : all;
}

wire::Request With(HeaderList headers) {
  wire::Request request;
  request.headers = std::move(headers);
  return request;
}

TEST(HeaderRules, KeepWhatBelongsToOneHopOnIt) {
  const wire::Request request = With({{"Host", "shop.example"},
                                      {"Connection", "close, X-Hop"},
                                      {"X-Hop", "1"},
                                      {"TE", "trailers"},
                                      {"Proxy-Authorization", "Basic x"},
                                      {"Keep-Alive", "timeout=5"},
                                      {"Expect", "100-continue"},
                                      {"Content-Length", "3"},
                                      {"Accept", "a/b"},
                                      {"Cookie", "c=1"}});
  const HeaderList out = HeadersForUpstream(request, kPeer, {});
  for (const char* name : {"Host", "Connection", "X-Hop", "TE", "Proxy-Authorization", "Keep-Alive",
                           "Expect", "Content-Length"}) {
    EXPECT_EQ("(none)", All(out, name)) << name;
  }
  EXPECT_EQ("a/b", All(out, "Accept"));
  EXPECT_EQ("c=1", All(out, "Cookie"));
  const HeaderList back = HeadersForClient({{"connection", "x-back"},
                                            {"date", "then"},
                                            {"X-Back", "1"},
                                            {"Transfer-Encoding", "chunked"},
                                            {"Set-Cookie", "a=1"},
                                            {"Set-Cookie", "b=2"},
                                            {"Onced-Policy", "store"},
                                            {"Idempotent-Replayed", "true"}});
  EXPECT_EQ((HeaderList{{"date", "then"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}), back);
}

TEST(HeaderRules, WriteDatesAsTheStandardDoes) {
  EXPECT_EQ("Sun, 06 Nov 1994 08:49:37 GMT", HttpDate(784'111'777'000));  // RFC 9110, 5.6.7
  EXPECT_EQ("Thu, 01 Jan 1970 00:00:00 GMT", HttpDate(0));
  EXPECT_EQ("Thu, 29 Feb 2024 23:59:59 GMT", HttpDate(1'709'251'199'999));
}

// W3C Trace Context, 3.4 and 4.3.
TEST(HeaderRules, PassATraceOnWithASpanOfOurs) {
  const std::string sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const wire::Request request = With({{"Host", "a"},
                                      {"TraceParent", sent},
                                      {"tracestate", "a=b"},
                                      {"Tracestate", "c=d"},
                                      {"X-Request-ID", "theirs"}});
  const wire::TraceContext theirs = wire::TraceContext::Of(sent);
  const HeaderList on = HeadersForUpstream(request, kPeer, {.request_id = "ours", .trace = theirs});
  EXPECT_EQ(theirs.TraceParent(), All(on, "traceparent"));
  EXPECT_EQ("a=b | c=d", All(on, "tracestate"));
  EXPECT_EQ("ours", All(on, "X-Request-Id"));
  const wire::TraceContext mine = wire::TraceContext::New();
  const HeaderList anew = HeadersForUpstream(request, kPeer, {.trace = mine});
  EXPECT_EQ(mine.TraceParent(), All(anew, "traceparent"));
  EXPECT_EQ("(none)", All(anew, "tracestate")) << "it is of a trace that has ended here";
  EXPECT_EQ("(none)", All(HeadersForUpstream(request, kPeer, {}), "traceparent"));
}

TEST(HeaderRules, GiveAnAnswerWithoutADateOne) {
  const HeaderList back = HeadersForClient({{"A", "1"}});
  ASSERT_EQ(2U, back.size());
  EXPECT_EQ("Date", back[1].first);
  EXPECT_EQ(29U, back[1].second.size()) << back[1].second;
  EXPECT_TRUE(back[1].second.ends_with(" GMT")) << back[1].second;
}

TEST(HeaderRules, KnowARequestThatWentOutOfHereBefore) {
  HeaderList out = {{"Host", "a"}, {"Via", "1.1 edge"}, {"Via", "1.0 b"}};
  for (int passages = 1; passages <= 4; ++passages) {
    out = HeadersForUpstream(With(out), kPeer, {});
    out.emplace_back("Host", "a");
    EXPECT_EQ(WentInACircle(With(out)), passages == 4) << passages;
  }
  EXPECT_TRUE(All(out, "Via").starts_with("1.1 edge, 1.0 b, 1.1 onced-")) << All(out, "Via");
  EXPECT_FALSE(WentInACircle(With({{"Via", "1.1 edge"}, {"Via", "1.1 onced-0"}})));
  EXPECT_FALSE(WentInACircle(With({})));
}

TEST(HeaderRules, SayWhereARequestCameFromAndBelieveOnlyTrustedProxies) {
  const wire::Request request = With({{"Host", "shop.example"},
                                      {"X-Forwarded-For", "203.0.113.9"},
                                      {"X-Forwarded-Proto", "https"},
                                      {"X-Forwarded-Port", "99"},
                                      {"Forwarded", "for=203.0.113.9"},
                                      {"X-Real-IP", "203.0.113.9"},
                                      {"Via", "1.1 edge"}});
  const HeaderList set = HeadersForUpstream(request, kPeer, {});
  EXPECT_EQ("192.0.2.7", All(set, "X-Forwarded-For"));
  EXPECT_EQ("http", All(set, "X-Forwarded-Proto"));
  EXPECT_EQ("shop.example", All(set, "X-Forwarded-Host"));
  EXPECT_EQ("(none)", All(set, "X-Forwarded-Port"));
  EXPECT_EQ("(none)", All(set, "Forwarded"));
  EXPECT_EQ("(none)", All(set, "X-Real-IP"));
  EXPECT_EQ("1.1 edge, 1.1 " + ViaName(), All(set, "Via"));
  const HeaderList added = HeadersForUpstream(request, kPeer, {.trusted = true});
  EXPECT_EQ("203.0.113.9, 192.0.2.7", All(added, "X-Forwarded-For"));
  EXPECT_EQ("https", All(added, "X-Forwarded-Proto"));
}

TEST(HeaderRules, BelieveNobodyWhoSpeaksForOnced) {
  const wire::Request request = With({{"Idempotency-Fence", "99"},
                                      {"Idempotent-Replayed", "true"},
                                      {"Idempotency-Status", "replayed"},
                                      {"idempotency-key", "\"k\""}});
  const HeaderList out = HeadersForUpstream(
      request, kPeer, {.key_header = "Idempotency-Key", .key = "\"k\"", .fence = "7"});
  EXPECT_EQ("7", All(out, "Idempotency-Fence"));
  EXPECT_EQ("(none)", All(out, "Idempotent-Replayed"));
  EXPECT_EQ("(none)", All(out, "Idempotency-Status"));
  EXPECT_EQ("\"k\"", All(out, "Idempotency-Key"));
  EXPECT_EQ("(none)", All(HeadersForUpstream(request, kPeer, {.key_header = "Idempotency-Key"}),
                          "Idempotency-Key"));
}

// CGI and its heirs cannot tell the two apart.
TEST(HeaderRules, PassNoLookAlikeOfWhatIsBelieved) {
  const wire::Request request = With({{"X_User_Id", "admin"},
                                      {"Idempotency_Fence", "1"},
                                      {"idempotency_key", "k"},
                                      {"X_Forwarded_For", "6.6.6.6"},
                                      {"my_own", "1"}});
  const HeaderList out = HeadersForUpstream(request, kPeer, {.principal_header = "X-User-Id"});
  for (const char* name :
       {"X_User_Id", "Idempotency_Fence", "idempotency_key", "X_Forwarded_For"}) {
    EXPECT_EQ("(none)", All(out, name)) << name;
  }
  EXPECT_EQ("1", All(out, "my_own"));
}

TEST(HeaderRules, HideATokenOfOnced) {
  const wire::Request request = With({{"Authorization", "Bearer x"}, {"Accept-Encoding", "gzip"}});
  EXPECT_EQ("Bearer x", All(HeadersForUpstream(request, kPeer, {}), "Authorization"));
  EXPECT_EQ("(none)",
            All(HeadersForUpstream(request, kPeer, {.drop_authorization = true}), "Authorization"));
  EXPECT_EQ("identity",
            All(HeadersForUpstream(request, kPeer, {.identity = true}), "Accept-Encoding"));
}

TEST(HeaderRules, RefuseAConnectionThatNamesWhatIsForTheUpstream) {
  for (const char* name : {"Authorization", "cookie", "Host", "Content-Type", "Idempotency-Key",
                           "X-Forwarded-For", "close, Content-Length"}) {
    EXPECT_TRUE(OffenceInConnection(With({{"Connection", name}})).has_value()) << name;
  }
  EXPECT_TRUE(OffenceInConnection(With({{"Connection", "close"}, {"Connection", "Cookie"}})));
  EXPECT_FALSE(OffenceInConnection(With({{"Connection", "close, TE, X-Hop"}})));
}

TEST(HeaderRules, KeepWithAnAnswerWhatDescribesItAndNobodysSession) {
  const HeaderList headers = {{"Content-Type", "a/b"},   {"Location", "/x"},
                              {"Set-Cookie", "s=1"},     {"Date", "now"},
                              {"WWW-Authenticate", "B"}, {"Access-Control-Allow-Origin", "*"},
                              {"X-Mine", "1"},           {"traceparent", "t"},
                              {"ETag", "\"e\""},         {"Strict-Transport-Security", "x"}};
  EXPECT_EQ((HeaderList{{"Content-Type", "a/b"}, {"Location", "/x"}, {"ETag", "\"e\""}}),
            HeadersToKeep(headers, {}));
  const std::vector<std::string> more = {"x-mine", "Set-Cookie", "Date", "Traceparent"};
  EXPECT_EQ("1", All(HeadersToKeep(headers, more), "X-Mine"));
  EXPECT_EQ("(none)", All(HeadersToKeep(headers, more), "Set-Cookie"));
  EXPECT_EQ("(none)", All(HeadersToKeep(headers, more), "Date"));
  EXPECT_EQ("(none)", All(HeadersToKeep(headers, more), "traceparent"));
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// The upstream that other tests rely on does what its script says, and misses nothing that is sent.
#include "tests/scripted_upstream.h"

#include <gtest/gtest.h>

#include <string>

namespace onced {
namespace {

TEST(ScriptedUpstream, AnswersDifferentlyEachTimeOnOneConnection) {
  const ScriptedUpstream upstream;
  Client client(upstream.port());
  EXPECT_EQ(client.Ask("POST", "/pay?x=1", "a").body, "POST /pay?x=1 1\n");
  EXPECT_EQ(client.Ask("GET", "/pay").body, "GET /pay 2\n");
  EXPECT_EQ(client.Ask("HEAD", "/pay").status, 200);
  EXPECT_EQ(client.Ask("GET", "/other").body, "GET /other 1\n");
  EXPECT_EQ(upstream.HitsOfPath("/pay"), 3u);
  EXPECT_EQ(upstream.connections(), 1u);
}

TEST(ScriptedUpstream, KeepsEachRequestAsItCame) {
  const ScriptedUpstream upstream;
  Client client(upstream.port());
  const std::string head =
      "POST /a HTTP/1.1\r\nHost: x\r\nIDEMPOTENCY-key: \"k\"\r\nContent-Length: 3\r\n\r\n";
  const std::string chunked = "PUT /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_TRUE(client.Send(head + "abc" + chunked + "2\r\nde\r\n1\r\nf\r\n0\r\n\r\nrubbish"));
  client.FinishSending();
  ASSERT_TRUE(upstream.Hit(3));
  const std::vector<Seen> seen = upstream.requests();
  EXPECT_EQ(seen[0].head, head);
  EXPECT_EQ(seen[0].body, "abc");
  EXPECT_EQ(seen[1].head, chunked);
  EXPECT_EQ(seen[1].body, "def");
  EXPECT_EQ(seen[2].head, "rubbish");
  EXPECT_EQ(upstream.HitsOfKey("\"k\""), 1u);
}

TEST(ScriptedUpstream, WaitsInTheMiddleUntilTheTestOpensTheLatch) {
  ScriptedUpstream upstream;
  const auto latch = MakeLatch();
  upstream.Once(
      "/", Script().Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").Wait(latch).Send("b"));
  Client client(upstream.port());
  ASSERT_TRUE(client.Send(RequestText("GET", "/")));
  ASSERT_TRUE(latch->Reached());
  EXPECT_EQ(client.Receive(std::chrono::milliseconds(20)).status, 0);
  latch->Open();
  EXPECT_EQ(client.Receive().body, "ab");
  EXPECT_EQ(client.Ask("GET", "/").body, "GET / 2\n");
}

TEST(ScriptedUpstream, EndsInGoodOrderOrWithAReset) {
  ScriptedUpstream upstream;
  upstream.On("/close", Script().Send("HTTP/1.1 200 OK\r\n").Close());
  upstream.On("/reset", Script().BeforeBody().Reset());
  Client closed(upstream.port());
  EXPECT_NE(closed.Ask("GET", "/close").body.find("the connection ended"), std::string::npos);
  Client reset(upstream.port());
  ASSERT_TRUE(reset.Send(RequestText("POST", "/reset", "a body")));
  EXPECT_FALSE(reset.SeesEnd());
  EXPECT_EQ(upstream.hits(), 2u);
}

TEST(ScriptedUpstream, EndsWhileAScriptStillWaits) {
  const auto latch = MakeLatch();
  Client client(0);
  {
    ScriptedUpstream upstream;
    upstream.On("/", Script().Wait(latch).Close());
    client = Client(upstream.port());
    ASSERT_TRUE(client.Send(RequestText("GET", "/")));
    ASSERT_TRUE(latch->Reached());
  }
  EXPECT_EQ(client.Receive().status, 0);
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Upstreams: what is a whole answer, and what is none; and that a connection is used again only
// when nothing was left over on it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/raw_upstream.h"

namespace onced {
namespace {

class UpstreamAnswer : public testing::Test, protected UpstreamCaller {
 protected:
  // The first answer on a new connection, which then ends.
  std::shared_ptr<Heard> Answered(const std::string& bytes, const std::string& method = "POST") {
    RawUpstream upstream([&](RawPeer& peer) {
      (void)peer.ReadRequest();
      peer.Send(bytes);
    });
    auto heard = Call(To(upstream.origin(), method));
    (void)heard->End();
    return heard;
  }
};

TEST_F(UpstreamAnswer, IsWholeWhenItsLengthHasCome) {
  const auto heard = Answered("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(CallEnd::kWhole, heard->End());
  EXPECT_EQ("abc", heard->body);
}

TEST_F(UpstreamAnswer, IsWholeWithItsLastChunkWithoutTrailers) {
  const auto heard = Answered(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"
      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(CallEnd::kWhole, heard->End());
  EXPECT_EQ("abcde", heard->body);
  EXPECT_EQ((HeaderList{{"A", "b"}}), heard->headers);
  EXPECT_EQ(-1, heard->length);
}

TEST_F(UpstreamAnswer, WithoutAnyFramingEndsWithItsConnection) {
  for (const char* version : {"HTTP/1.1", "HTTP/1.0"}) {
    const auto heard = Answered(std::string(version) + " 200 OK\r\nA: b\r\n\r\nabc");
    EXPECT_EQ(CallEnd::kWhole, heard->End());
    EXPECT_EQ("abc", heard->body);
    EXPECT_EQ(-1, heard->length);
  }
}

TEST_F(UpstreamAnswer, ComesAfterAnyNumberOfInterimOnes) {
  std::string interim;
  for (int i = 0; i < 50; ++i) interim += "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  const auto heard = Answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" +
                              interim + Ok("abc"));
  EXPECT_EQ(CallEnd::kWhole, heard->End());
  EXPECT_EQ(1, heard->heads);
  EXPECT_EQ(200, heard->status);
  EXPECT_EQ("abc", heard->body);
  EXPECT_TRUE(heard->headers.empty());
}

TEST_F(UpstreamAnswer, HasNoBodyWhenItsStatusOrTheMethodSaysSo) {
  for (const auto& [status, method] :
       {std::pair("204 No Content", "POST"), std::pair("304 Not Modified", "GET"),
        std::pair("200 OK", "HEAD"), std::pair("500 No", "HEAD")}) {
    RawUpstream upstream(
        AnswerWith("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 100\r\n\r\n"));
    for (int i = 0; i < 3; ++i) {
      const auto heard = Call(To(upstream.origin(), method));
      EXPECT_EQ(CallEnd::kWhole, heard->End()) << status << heard->why;
      EXPECT_EQ(std::string(status).starts_with("204") ? 0 : 100, heard->length);
      EXPECT_EQ("", heard->body);
    }
    EXPECT_EQ(1u, upstream.connections());
  }
}

TEST_F(UpstreamAnswer, IsPassedOnWithoutBeingActedOn) {
  const auto moved = Answered("HTTP/1.1 307 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(307, moved->status);
  const auto packed =
      Answered("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(CallEnd::kWhole, packed->End());
  EXPECT_EQ("abc", packed->body);
  const auto who = Answered(
      "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a=b\r\nContent-Length: "
      "0\r\n\r\n");
  EXPECT_EQ(401, who->status);
  EXPECT_EQ(2u, who->headers.size());
}

TEST_F(UpstreamAnswer, ThatIsCutShortIsUnknown) {
  for (const char* bytes :
       {"", "H", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n"}) {
    const auto heard = Answered(bytes);
    EXPECT_EQ(CallEnd::kUnknown, heard->End()) << bytes;
    EXPECT_NE("", heard->why) << bytes;
    EXPECT_EQ(1, heard->ends);
  }
}

TEST_F(UpstreamAnswer, ThatIsFramedWronglyIsUnknown) {
  const std::string begin = "HTTP/1.1 200 OK\r\n";
  for (const std::string& bytes :
       {std::string("hello"),
        std::string("<html>\r\n\r\n"),
        "HTTP/3.0 200 OK\r\n\r\n" + Ok("abc"),
        std::string("HTTP/1.1 2x0 OK\r\n\r\n"),
        std::string("HTTP/1.1 101 Switching\r\n\r\nabc"),
        begin + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        begin + "Content-Length: 3, 3\r\n\r\nabc",
        begin + "Content-Length: -1\r\n\r\nabc",
        begin + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        begin + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        begin + "Transfer-Encoding: identity\r\n\r\nabc",
        begin + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        begin + "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        begin + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
        begin + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        begin + "A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        begin + "A: b\rContent-Length: 0\r\n\r\n",
        begin + "A: b" + std::string(1, '\0') + "c\r\nContent-Length: 0\r\n\r\n",
        begin + "A : b\r\nContent-Length: 0\r\n\r\n",
        begin + "A\r\nContent-Length: 0\r\n\r\n",
        begin + "A: " + std::string(70'000, 'x') + "\r\nContent-Length: 0\r\n\r\n"}) {
    const auto heard = Answered(bytes);
    EXPECT_EQ(CallEnd::kUnknown, heard->End()) << bytes.substr(0, 200);
    EXPECT_NE("", heard->why) << bytes.substr(0, 200);
  }
}

TEST_F(UpstreamAnswer, ThatEndsWithAResetIsUnknown) {
  for (const char* bytes : {"", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nabc"}) {
    RawUpstream upstream([&](RawPeer& peer) {
      (void)peer.ReadRequest();
      peer.Send(bytes);
      peer.Reset();
    });
    EXPECT_EQ(CallEnd::kUnknown, Call(To(upstream.origin()))->End()) << bytes;
  }
}

// What is left over would be taken for the answer to the next request.
TEST_F(UpstreamAnswer, IsNotTakenFromWhatWasLeftOver) {
  for (const std::string& over : {std::string("x"), Ok("not asked for"), std::string("\r\n")}) {
    RawUpstream upstream([&](RawPeer& peer) {
      while (!peer.ReadRequest().empty()) peer.Send(Ok("right") + over);
    });
    for (size_t i = 1; i <= 3; ++i) {
      const auto heard = Call(To(upstream.origin()));
      EXPECT_EQ(CallEnd::kWhole, heard->End());
      EXPECT_EQ("right", heard->body);
      EXPECT_EQ(i, upstream.connections());
    }
  }
}

TEST_F(UpstreamAnswer, IsNotTakenFromWhatCameUnasked) {
  std::atomic<size_t> sent{0};
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadRequest();
    peer.Send(Ok("right"));
    if (peer.number() == 0) {
      EXPECT_TRUE(Eventually([&] { return upstreams_->under_way() == 0; }));
      peer.Send(Ok("not asked for"));
    }
    sent.fetch_add(1);
    peer.WaitForEnd();
  });
  EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin()))->End());
  ASSERT_TRUE(Eventually([&] { return sent.load() == 1; }));
  const auto second = Call(To(upstream.origin()));
  EXPECT_EQ(CallEnd::kWhole, second->End());
  EXPECT_EQ("right", second->body);
  EXPECT_EQ(2u, upstream.connections());
}

TEST_F(UpstreamAnswer, LeavesItsConnectionForTheNext) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}) {
    RawUpstream upstream(AnswerWith(answer));
    const std::shared_ptr<const Origin> origin = upstream.origin();
    for (int i = 0; i < 20; ++i) {
      for (const char* method : {"POST", "GET", "DELETE", "PUT"}) {
        const auto heard = Call(To(origin, method));
        EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
        EXPECT_EQ("abc", heard->body);
      }
    }
    EXPECT_EQ(1u, upstream.connections());
  }
}

TEST_F(UpstreamAnswer, ThatSaysCloseEndsItsConnection) {
  RawUpstream upstream(
      AnswerWith("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"));
  for (size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin()))->End());
    EXPECT_EQ(i, upstream.connections());
  }
}

}  // namespace
}  // namespace onced

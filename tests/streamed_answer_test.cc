// SPDX-License-Identifier: MIT
// Answers whose body is passed on while it comes: framed so that the client can tell their end, cut
// when it can not be told, never ahead of what is before them, and never more of them in memory
// than their pipe has room for.
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/streaming.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::Exchange;
using wire::ListenerOptions;
using wire::Pipe;

// Answers to /stream with what the test writes into the pipe, to others with their path.
ServeFunction From(const std::shared_ptr<Pipe>& pipe, std::optional<uint64_t> length = {}) {
  return [pipe, length](httplib::Response& response, Exchange& exchange) {
    if (exchange.request().target != "/stream") return Echo(response, exchange);
    response.status = 200;
    exchange.StreamAnswer(pipe, length);
  };
}

TEST(StreamedAnswer, ComesInChunksWhileItIsWritten) {
  const auto pipe = NewPipe();
  const auto listener = Listen(From(pipe));
  Client client(listener->port());
  client.Send(Get("/stream") + Get("/next"));
  const std::string head = client.ReceiveSome();
  EXPECT_NE(head.find("\r\nTransfer-Encoding: chunked\r\n\r\n"), std::string::npos) << head;
  pipe->Write("one");
  EXPECT_EQ(client.ReceiveSome(), "3\r\none\r\n");
  pipe->Write("twelve bytes");
  EXPECT_EQ(client.ReceiveSome(), "c\r\ntwelve bytes\r\n");
  EXPECT_FALSE(client.HasInput()) << "what follows it waits for its end";
  pipe->Close(Pipe::End::kWhole);
  std::string rest = client.ReceiveSome();
  while (!rest.ends_with("/next")) {
    const std::string more = client.ReceiveSome();
    ASSERT_NE(more, "") << rest;
    rest += more;
  }
  EXPECT_TRUE(rest.starts_with("0\r\n\r\nHTTP/1.1 200 OK\r\n")) << rest;
}

TEST(StreamedAnswer, HasItsLengthWhereThatIsKnown) {
  const auto pipe = NewPipe();
  const auto listener = Listen(From(pipe, 6));
  Client client(listener->port());
  pipe->Write("123");
  client.Send(Get("/stream"));
  pipe->Write("456");
  pipe->Close(Pipe::End::kWhole);
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.body, "123456");
  EXPECT_EQ(answer.Header("Content-Length"), "6");
  EXPECT_EQ(answer.Header("Transfer-Encoding"), "");
  EXPECT_EQ(client.Ask("GET", "/next").body, "/next");
}

TEST(StreamedAnswer, OfNothingIsWhole) {
  for (const std::optional<uint64_t> length : {std::optional<uint64_t>(), {0}}) {
    const auto pipe = NewPipe();
    pipe->Close(Pipe::End::kWhole);
    const auto listener = Listen(From(pipe, length));
    Client client(listener->port());
    const HttpAnswer answer = client.Ask("GET", "/stream");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(client.Ask("GET", "/next").body, "/next");
  }
}

TEST(StreamedAnswer, EndsWithTheConnectionForAnOlderClient) {
  const auto pipe = NewPipe();
  const auto listener = Listen(From(pipe));
  Client client(listener->port());
  client.Send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string head = client.ReceiveSome();
  EXPECT_NE(head.find("\r\nConnection: close\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("Transfer-Encoding"), std::string::npos) << head;
  EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
  pipe->Write("all");
  EXPECT_EQ(client.ReceiveSome(), "all");
  pipe->Close(Pipe::End::kWhole);
  EXPECT_TRUE(client.SeesEnd());
}

TEST(StreamedAnswer, HasItsLengthForAnOlderClientToo) {
  const auto pipe = NewPipe();
  pipe->Write("all");
  pipe->Close(Pipe::End::kWhole);
  const auto listener = Listen(From(pipe, 3));
  Client client(listener->port());
  client.Send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.body, "all");
  EXPECT_EQ(answer.Header("Connection"), "keep-alive");
}

struct Cut {
  const char* request;
  std::optional<uint64_t> length;
  const char* written;
  Pipe::End end;
  const char* body;  // that arrives before the cut
  bool reset;
};

// A client that cannot tell a cut from an end would take half an answer for a whole one.
TEST(StreamedAnswer, ThatBreaksIsCutSoThatTheClientCanTell) {
  const std::string now = Get("/stream");
  const char* old = "GET /stream HTTP/1.0\r\n\r\n";
  const std::vector<Cut> cuts = {
      {now.c_str(), {}, "half", Pipe::End::kBroken, "4\r\nhalf\r\n", false},
      {now.c_str(), 8, "half", Pipe::End::kBroken, "half", false},
      {now.c_str(), 8, "half", Pipe::End::kWhole, "half", false},
      {now.c_str(), 4, "too much", Pipe::End::kWhole, "", false},
      {old, {}, "half", Pipe::End::kBroken, "half", true},
  };
  for (const Cut& cut : cuts) {
    const auto pipe = NewPipe();
    const auto listener = Listen(From(pipe, cut.length));
    Client client(listener->port());
    client.Send(cut.request);
    std::string seen = client.ReceiveSome();  // the head, by itself: the pipe is empty
    pipe->Write(cut.written);
    if (*cut.body != 0) {
      EXPECT_EQ(client.ReceiveSome(), cut.body) << seen;
    }
    pipe->Close(cut.end);
    EXPECT_EQ(client.ReceiveSome(), "") << seen;
    EXPECT_EQ(errno, cut.reset ? ECONNRESET : 0) << seen;
  }
}

// Found while the fuzzer of streams was made: a body that broke before any of it could be passed on
// took the answer's head with it, and the finished answers that were still to be written before.
TEST(StreamedAnswer, ThatBreaksAtOnceIsCutAfterWhatIsBeforeIt) {
  for (const std::optional<uint64_t> length : {std::optional<uint64_t>(), {8}, {2}}) {
    const auto pipe = NewPipe();
    if (length == 2) {
      pipe->Write("too much");  // which needs no end
    } else {
      pipe->Close(Pipe::End::kBroken);
    }
    const auto listener = Listen(From(pipe, length));
    Client client(listener->port());
    client.Send(Get("/before") + Get("/stream") + Get("/behind"));
    EXPECT_EQ(client.Receive().body, "/before");
    std::string rest;
    for (std::string some = client.ReceiveSome(); !some.empty(); some = client.ReceiveSome()) {
      rest += some;
    }
    EXPECT_EQ(errno, 0) << "it is cut, and at once";
    EXPECT_TRUE(rest.starts_with("HTTP/1.1 200 OK\r\n")) << rest;
    EXPECT_TRUE(rest.ends_with("\r\n\r\n")) << rest;
  }
}

TEST(StreamedAnswer, IsHeldUntilItIsDurable) {
  HeldGate gate;
  const auto pipe = NewPipe();
  ListenerOptions options = OptionsFor(From(pipe));
  options.when_durable = [&](uint64_t, std::function<void()> pass) { gate.Hold(std::move(pass)); };
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(Get("/before") + Get("/stream"));
  ASSERT_TRUE(Eventually([&] { return gate.held() == 2; }));
  pipe->Write("all");
  pipe->Close(Pipe::End::kWhole);
  gate.PassLast();
  EXPECT_EQ(client.Receive(milliseconds(50)).status, 0);
  gate.PassFirst();
  EXPECT_EQ(client.Receive().body, "/before");
  EXPECT_EQ(client.Receive().body, "all");
}

TEST(StreamedAnswer, IsAbandonedWhenItsClientIsGone) {
  std::atomic<int> undone{0};
  const auto pipe = NewPipe();
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    response.status = 200;
    exchange.IfUnsent([&] { ++undone; });
    exchange.StreamAnswer(pipe, std::nullopt);
  });
  Client client(listener->port());
  client.Send(Get("/stream"));
  pipe->Write("some");
  EXPECT_NE(client.ReceiveSome(), "");
  EXPECT_FALSE(pipe->abandoned());
  client.HangUp();
  EXPECT_TRUE(Eventually([&] { return pipe->abandoned(); }));
  EXPECT_EQ(undone, 0) << "some of it was sent";
}

TEST(StreamedAnswer, WaitsForASlowReader) {
  const auto pipe = NewPipe();
  std::atomic<bool> room{true};
  pipe->OnRoom([&] { room = true; });
  ListenerOptions options = OptionsFor(From(pipe));
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(Get("/stream"));
  const std::string piece(32 * 1024, 'x');
  constexpr size_t kFar = 64u << 20;  // beyond what the kernel keeps for a connection
  size_t written = 0;
  // Until the writer is told to stop, and is not told to go on for a while.
  do {
    room = false;  // before: the reader may make room before Write has returned
    if (pipe->Write(piece)) room = true;
    written += piece.size();
    ASSERT_LT(written, kFar) << "nothing holds the writer back";
    const auto until = std::chrono::steady_clock::now() + milliseconds(300);
    while (!room && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  } while (room);
  EXPECT_LE(pipe->size(), 96u * 1024);
  size_t read = 0;
  while (!room) {
    const std::string some = client.ReceiveSome();
    ASSERT_NE(some, "") << "nobody told the writer to go on";
    read += some.size();
  }
  EXPECT_GT(read, 0u) << "it is told to go on when the client reads";
  pipe->Close(Pipe::End::kWhole);
  std::string end;
  while (!end.ends_with("\r\n0\r\n\r\n")) {
    const std::string more = client.ReceiveSome();
    ASSERT_NE(more, "");
    read += more.size();
    end = (end + more).substr(std::max<size_t>(end.size() + more.size(), 16) - 16);
  }
  EXPECT_GT(read, written);
}

TEST(StreamedAnswer, EndsAClientThatDoesNotTakeIt) {
  const auto pipe = NewPipe();
  ListenerOptions options = OptionsFor(From(pipe));
  options.deadlines.write = milliseconds(100);
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(Get("/stream"));
  const std::string piece(64 * 1024, 'x');
  EXPECT_TRUE(Eventually([&] {
    if (pipe->size() == 0) pipe->Write(piece);
    return pipe->abandoned();
  }));
}

TEST(StreamedAnswer, IsNoBodyWhereThereIsNone) {
  std::shared_ptr<Pipe> pipe;
  std::atomic<int> status{200};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    response.status = status;
    exchange.AnswerAsIs();
    if (exchange.request().target == "/claimed") exchange.ClaimLength(77);
    pipe = NewPipe();
    pipe->Write("not wanted");
    exchange.StreamAnswer(pipe,
                          exchange.request().target == "/long" ? std::optional(9) : std::nullopt);
  });
  Client client(listener->port());
  EXPECT_EQ(client.Ask("HEAD", "/long").Header("Content-Length"), "9");
  EXPECT_EQ(client.Ask("HEAD", "/claimed").Header("Content-Length"), "77");
  EXPECT_TRUE(pipe->abandoned());
  status = 204;
  EXPECT_EQ(client.Ask("GET", "/claimed").Header("Content-Length"), "");
  EXPECT_TRUE(pipe->abandoned());
  status = 304;
  client.Send(Get("/long"));
  const std::string head = client.ReceiveSome();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 304 Not Modified\r\n")) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
  status = 200;
  EXPECT_EQ(client.Ask("HEAD", "/claimed").status, 200) << "and the connection is as good as new";
}

TEST(StreamedAnswer, GoesOutAsItIs) {
  const auto listener = Listen([](httplib::Response& response, Exchange& exchange) {
    response.status = 299;
    for (const char* cookie : {"b=2", "a=1", "c=3"}) response.headers.emplace("Set-Cookie", cookie);
    response.headers.emplace("Cache-Control", "max-age=9");
    response.body = "theirs";
    exchange.AnswerAsIs();
  });
  Client client(listener->port());
  client.Send(RequestText("GET", "/", "", {{"X-Request-Id", "mine"}}));
  EXPECT_EQ(client.ReceiveSome(),
            "HTTP/1.1 299 \r\nCache-Control: max-age=9\r\nSet-Cookie: b=2\r\nSet-Cookie: a=1\r\n"
            "Set-Cookie: c=3\r\nX-Request-Id: mine\r\nContent-Length: 6\r\n\r\ntheirs");
}

TEST(StreamedAnswer, IsFinishedWhenTheListenerStops) {
  const auto pipe = NewPipe();
  const auto listener = Listen(From(pipe));
  Client client(listener->port());
  client.Send(Get("/stream"));
  EXPECT_NE(client.ReceiveSome(), "");
  Mover mover;
  std::atomic<bool> finished{false};
  mover.Post([&] { finished = listener->Stop(kPatience); });
  EXPECT_TRUE(Eventually([&] { return !Client(listener->port()).connected(); }));
  pipe->Write("the rest");
  EXPECT_EQ(client.ReceiveSome(), "8\r\nthe rest\r\n");
  pipe->Close(Pipe::End::kWhole);
  EXPECT_EQ(client.ReceiveSome(), "0\r\n\r\n");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_TRUE(Eventually([&] { return finished.load(); }));
}

TEST(StreamedAnswer, ThatIsNotFinishedInTimeIsCut) {
  const auto pipe = NewPipe();
  const auto listener = Listen(From(pipe));
  Client client(listener->port());
  client.Send("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_NE(client.ReceiveSome(), "");
  EXPECT_FALSE(listener->Stop(milliseconds(10)));
  EXPECT_EQ(client.ReceiveSome(), "");
  EXPECT_EQ(errno, ECONNRESET) << "half an answer must not look like a whole one";
  EXPECT_TRUE(pipe->abandoned());
}

// A thousand of them in one connection, one after another, of every kind.
TEST(StreamedAnswer, ComesInItsTurn) {
  const auto listener = Listen([](httplib::Response& response, Exchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target.ends_with("0")) return Echo(response, exchange);
    response.status = 200;
    const auto pipe = NewPipe();
    pipe->Write(target);
    pipe->Close(Pipe::End::kWhole);
    exchange.StreamAnswer(pipe,
                          target.ends_with("1") ? std::optional(target.size()) : std::nullopt);
  });
  Client client(listener->port());
  std::string all;
  for (int i = 0; i < 1'000; ++i) all += Get("/" + std::to_string(i));
  client.Send(all);
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(client.Receive().body, "/" + std::to_string(i));
}

}  // namespace
}  // namespace onced

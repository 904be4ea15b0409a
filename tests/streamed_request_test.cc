// SPDX-License-Identifier: MIT
// Requests whose body is passed on while it comes: as it was sent however it was cut, whole or
// broken and never in between, at the pace of the slower side, and in constant memory.
#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "engine/mutex.h"
#include "tests/streaming.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::Exchange;
using wire::ListenerOptions;
using wire::Pipe;

// Resident memory of this process, in KiB.
size_t ResidentKib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmRSS:") continue;
    size_t kib = 0;
    status >> kib;
    return kib;
  }
  return 0;
}

// What the handler of one streamed request was given, for the test's own thread.
class Asked {
 public:
  void Note(const Exchange& exchange) {
    MutexLock lock(mutex_);
    body_ = exchange.body_pipe();
    wake_ = exchange.Waker();
    ++times;
  }
  std::shared_ptr<Pipe> body() {
    MutexLock lock(mutex_);
    return body_;
  }
  void Wake() {
    MutexLock lock(mutex_);
    wake_();
  }
  std::atomic<int> times{0};

 private:
  Mutex mutex_;
  std::shared_ptr<Pipe> body_ GUARDED_BY(mutex_);
  std::function<void()> wake_ GUARDED_BY(mutex_);
};

// Parks until `done`; then answers 200 with `text`.
ServeFunction ParkUntil(Asked* asked, std::atomic<bool>* done, std::string text = "done") {
  return [asked, done, text](httplib::Response& response, Exchange& exchange) {
    asked->Note(exchange);
    if (!*done) return exchange.Park(std::chrono::hours(1));
    response.status = 200;
    response.body = text;
  };
}

// Reads the whole of `pipe`; "broken" when it is.
std::string ReadAll(Pipe& pipe) {
  std::string all;
  Pipe::Taken taken;
  const bool ended = Eventually([&] {
    taken = pipe.Take();
    all += taken.bytes;
    return taken.ended;
  });
  if (!ended) return "endless";
  return taken.broken ? "broken" : all;
}

class StreamedRequestEchoes : public testing::TestWithParam<bool> {};

// Sixty-four megabytes there and back.
TEST_P(StreamedRequestEchoes, ALongBodyInConstantMemory) {
  constexpr size_t kPieces = 1'024;
  const std::string piece(64 * 1024, 'x');
  const bool chunked = GetParam();
  Mover mover, sender;
  std::shared_ptr<Relay> relay;
  const auto listener = Listen(StreamingOptions(EchoStream(&mover, &relay)));
  Client client(listener->port());
  client.Send(HeadFor("/long", chunked ? -1 : static_cast<int64_t>(kPieces * piece.size())));
  [[maybe_unused]] const size_t before = ResidentKib();
  sender.Post([&] {
    for (size_t i = 0; i < kPieces; ++i) client.Send(chunked ? Chunk(piece) : piece);
    if (chunked) client.Send("0\r\n\r\n");
  });
  std::string last = client.ReceiveSome();
  size_t seen = static_cast<size_t>(std::count(last.begin(), last.end(), 'x'));
  while (seen < kPieces * piece.size()) {
    last = client.ReceiveSome();
    ASSERT_NE(last, "") << "after " << seen;
    seen += static_cast<size_t>(std::count(last.begin(), last.end(), 'x'));
  }
  EXPECT_EQ(seen, kPieces * piece.size());
  EXPECT_LE(relay->most, 256u * 1024) << "both pipes together";
#ifndef ONCED_UNDER_ASAN  // which keeps what was freed for a while
  EXPECT_LE(ResidentKib(), before + 16 * 1024) << "KiB";
#endif
  while (chunked && !last.ends_with("0\r\n\r\n")) {
    const std::string more = client.ReceiveSome();
    ASSERT_NE(more, "") << last;
    last = more;
  }
  EXPECT_TRUE(client.SeesEnd()) << "its body had not ended when the answer began";
}
INSTANTIATE_TEST_SUITE_P(Framed, StreamedRequestEchoes, testing::Bool(),
                         [](const auto& one) { return one.param ? "Chunked" : "WithLength"; });

// Cut at every byte, and byte by byte, with another request behind it.
TEST(StreamedRequest, IsTheSameHoweverItIsCut) {
  Mover mover;
  const auto listener = Listen(StreamingOptions(EchoStream(&mover)));
  const std::string chunked = HeadFor("/", -1) + Chunk("abc") + Chunk("0\r\n\r\n") + "0\r\n\r\n";
  const std::string whole = HeadFor("/", 8) + "abc0\r\n\r\n";
  for (const std::string& text : {chunked, whole}) {
    const std::string bytes = text + Get("/next");
    for (size_t at = 0; at <= bytes.size(); ++at) {
      Client client(listener->port());
      client.Send(bytes.substr(0, at));
      if (at % 8 == 0) std::this_thread::sleep_for(milliseconds(1));  // real time: it is read so
      client.Send(bytes.substr(at));
      const HttpAnswer answer = client.Receive();
      ASSERT_EQ(answer.body, "abc0\r\n\r\n") << "cut at " << at;
      if (answer.Header("Connection") == "close") {
        EXPECT_TRUE(client.SeesEnd());
      } else {
        ASSERT_EQ(client.Receive().body, "/next") << "cut at " << at;
      }
    }
    Client client(listener->port());
    for (const char byte : bytes) client.Send({&byte, 1});
    EXPECT_EQ(client.Receive().body, "abc0\r\n\r\n") << "byte by byte";
  }
}

TEST(StreamedRequest, IsAskedForAtItsHeadAndMayBeLong) {
  Asked asked;
  std::atomic<bool> done{false};
  ListenerOptions options = StreamingOptions(ParkUntil(&asked, &done));
  options.limits.body_bytes = 10;
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(HeadFor("/", 20));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  client.Send("0123456789");
  EXPECT_TRUE(Eventually([&] { return asked.body()->size() == 10; }));
  client.Send("0123456789");
  EXPECT_EQ(ReadAll(*asked.body()), "01234567890123456789");
  done = true;
  asked.Wake();
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.Header("Connection"), "") << "the body has ended, so it stays";
  EXPECT_EQ(asked.times, 2);
}

TEST(StreamedRequest, ParksAndIsThenAnsweredByAStream) {
  std::atomic<int> asked{0};
  Mover mover;
  const ServeFunction echo = EchoStream(&mover);
  const auto listener =
      Listen(StreamingOptions([&](httplib::Response& response, Exchange& exchange) {
        if (++asked == 1) return exchange.Park(milliseconds(1));
        echo(response, exchange);
      }));
  Client client(listener->port());
  client.Send(HeadFor("/", -1) + Chunk("one"));
  ASSERT_TRUE(Eventually([&] { return asked == 2; }));
  client.Send(Chunk("two") + "0\r\n\r\n" + Get("/next"));
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.body, "onetwo");
  EXPECT_EQ(answer.Header("Connection"), "close") << "its body had not ended at the head";
  EXPECT_TRUE(client.SeesEnd());
}

TEST(StreamedRequest, ChoosesByTheHead) {
  ListenerOptions options = OptionsFor([](httplib::Response& response, Exchange& exchange) {
    response.status = 200;
    response.body = exchange.body_pipe() == nullptr ? "kept:" + exchange.request().body
                                                    : "streamed:" + ReadAll(*exchange.body_pipe());
  });
  options.streams = [](const wire::Request& head, const wire::Peer&) {
    return head.target == "/blocks/streamed";
  };
  options.limits.body_bytes = 3;
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  EXPECT_EQ(client.Ask("POST", "/", "abc").body, "kept:abc");
  EXPECT_EQ(client.Ask("POST", "/blocks/streamed", "abcd").body, "streamed:abcd");
  EXPECT_EQ(client.Ask("GET", "/blocks/streamed").body, "kept:") << "without a body";
  client.Send(HeadFor("/", -1) + Chunk("ab") + Chunk("c") + "0\r\n\r\n");
  EXPECT_EQ(client.Receive().body, "kept:abc");
  ExpectProblem(client.Ask("POST", "/", "abcd"), 413, "payload_too_large");
}

TEST(StreamedRequest, IsToldToContinue) {
  Mover mover;
  const auto listener = Listen(StreamingOptions(EchoStream(&mover)));
  Client client(listener->port());
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 100);
  client.Send("abc");
  EXPECT_EQ(client.Receive().body, "abc");
}

TEST(StreamedRequest, HoldsItsSenderBack) {
  Asked asked;
  std::atomic<bool> done{false};
  ListenerOptions options = StreamingOptions(ParkUntil(&asked, &done));
  options.deadlines.body_grace = milliseconds(50);
  options.deadlines.body_bytes_per_s = uint64_t{1} << 40;
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  constexpr size_t kLength = 16u << 20;
  client.Send(HeadFor("/", kLength));
  Mover sender;
  sender.Post([&] {
    const std::string piece(64 * 1024, 'x');
    for (size_t sent = 0; sent < kLength; sent += piece.size()) client.Send(piece);
  });
  ASSERT_TRUE(Eventually([&] { return asked.times > 0 && asked.body()->size() >= 64 * 1024; }));
  // real time: far longer than its pace allows, but it is we who do not read
  std::this_thread::sleep_for(milliseconds(600));
  EXPECT_LE(asked.body()->size(), 96u * 1024);
  EXPECT_EQ(ReadAll(*asked.body()).size(), kLength);
  done = true;
  asked.Wake();
  EXPECT_EQ(client.Receive().body, "done");
}

TEST(StreamedRequest, ThatDoesNotComeIsEnded) {
  Asked asked;
  std::atomic<bool> done{false};
  ListenerOptions options = StreamingOptions(ParkUntil(&asked, &done));
  options.deadlines.body_grace = milliseconds(50);
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(HeadFor("/", 10) + "half");
  ExpectProblem(client.Receive(), 408, "request_timeout");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_EQ(ReadAll(*asked.body()), "broken");
  EXPECT_EQ(listener->Counts().parked, 0u);
}

TEST(StreamedRequest, ThatBreaksOffIsToldSo) {
  for (const int64_t length : {-1, 10}) {
    Asked asked;
    std::atomic<bool> done{false};
    const auto listener = Listen(StreamingOptions(ParkUntil(&asked, &done)));
    Client client(listener->port());
    client.Send(HeadFor("/", length) + (length < 0 ? Chunk("half") : "half"));
    ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
    client.FinishSending();
    ExpectProblem(client.Receive(), 400, "invalid_request");
    EXPECT_EQ(ReadAll(*asked.body()), "broken");
  }
}

TEST(StreamedRequest, WithAMalformedChunkIsRefused) {
  Asked asked;
  std::atomic<bool> done{false};
  const auto listener = Listen(StreamingOptions(ParkUntil(&asked, &done)));
  Client client(listener->port());
  client.Send(HeadFor("/", -1) + Chunk("good"));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  client.Send("3;evil\r\nbad\r\n0\r\n\r\n" + Get("/smuggled"));
  ExpectProblem(client.Receive(), 400, "invalid_request");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_EQ(ReadAll(*asked.body()), "broken");
  EXPECT_EQ(asked.times, 1) << "what follows it is no request";
}

TEST(StreamedRequest, WithAMalformedChunkInItsFirstBytesIsNotAsked) {
  Asked asked;
  std::atomic<bool> done{true};
  const auto listener = Listen(StreamingOptions(ParkUntil(&asked, &done)));
  Client client(listener->port());
  client.Send(HeadFor("/", -1) + "zz\r\n");
  ExpectProblem(client.Receive(), 400, "invalid_request");
  EXPECT_EQ(asked.times, 0);
}

// The answer of a handler that was running then must not follow the refusal, nor replace it.
TEST(StreamedRequest, ThatFailsWhileItsHandlerRunsIsRefusedAfterwards) {
  std::atomic<bool> runs{false};
  std::atomic<int> undone{0};
  const auto answer = NewPipe();
  const auto listener =
      Listen(StreamingOptions([&](httplib::Response& response, Exchange& exchange) {
        runs = true;
        EXPECT_EQ(ReadAll(*exchange.body_pipe()), "broken");
        exchange.IfUnsent([&] { ++undone; });
        response.status = 200;
        exchange.StreamAnswer(answer, std::nullopt);
      }));
  Client client(listener->port());
  client.Send(HeadFor("/blocks", -1) + Chunk("good"));
  ASSERT_TRUE(Eventually([&] { return runs.load(); }));
  client.Send("zz\r\n");
  ExpectProblem(client.Receive(), 400, "invalid_request");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_TRUE(answer->abandoned());
  EXPECT_EQ(undone, 1);
}

TEST(StreamedRequest, ThatIsAnsweredEarlyIsTheLast) {
  Asked asked;
  std::atomic<bool> done{true};
  const auto listener = Listen(StreamingOptions(ParkUntil(&asked, &done)));
  Client client(listener->port());
  client.Send(HeadFor("/", 1'000'000) + "half");
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.Header("Connection"), "close");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_EQ(ReadAll(*asked.body()), "broken");
}

TEST(StreamedRequest, ThatNobodyReadsKeepsItsConnection) {
  Asked asked;
  std::atomic<bool> done{false};
  const auto listener = Listen(StreamingOptions(ParkUntil(&asked, &done)));
  Client client(listener->port());
  client.Send(HeadFor("/", 1'000'000));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  asked.body()->Abandon();
  client.Send(std::string(1'000'000, 'x') + Get("/next"));
  ASSERT_TRUE(Eventually([&] { return asked.body()->whole(); }));
  done = true;
  asked.Wake();
  EXPECT_EQ(client.Receive().body, "done");
  EXPECT_EQ(client.Receive().body, "done") << "and is served on";
}

TEST(StreamedRequest, BreaksWhenItsClientIsGone) {
  Asked asked;
  std::atomic<bool> done{false};
  const auto listener = Listen(StreamingOptions(ParkUntil(&asked, &done)));
  Client client(listener->port());
  client.Send(HeadFor("/", 1'000'000) + "half");
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  client.HangUp();
  EXPECT_EQ(ReadAll(*asked.body()), "broken");
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
}

// What is in the pipes counts, too.
TEST(StreamedRequest, IsRefusedBeyondTheMemoryOfAll) {
  Asked first, second;
  std::atomic<bool> done{false};
  ListenerOptions options = StreamingOptions([&](httplib::Response& response, Exchange& exchange) {
    ParkUntil(exchange.request().target == "/1" ? &first : &second, &done)(response, exchange);
  });
  options.memory_max = 100 * 1024;
  const auto listener = Listen(std::move(options));
  Client one(listener->port()), two(listener->port());
  one.Send(HeadFor("/1", 80'000) + std::string(80'000, 'x'));
  ASSERT_TRUE(Eventually([&] { return first.times > 0 && first.body()->size() > 60'000; }));
  two.Send(HeadFor("/2", 80'000) + std::string(80'000, 'x'));
  ExpectProblem(two.Receive(), 503, "overloaded");
  EXPECT_EQ(ReadAll(*first.body()).size(), 80'000u) << "who was first is served";
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Upstreams: a call is made once, says how it ended without guessing, and sends no byte that nobody
// asked for.
#include "server/gateway/upstream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/raw_upstream.h"

namespace onced {
namespace {

class Upstream : public testing::Test, protected UpstreamCaller {
 protected:
  // What the upstream reads of it.
  std::string Sent(UpstreamRequest request) {
    std::string sent;
    RawUpstream upstream([&](RawPeer& peer) {
      sent = peer.ReadRequest();
      peer.Send(Ok(""));
    });
    request.origin = upstream.origin();
    EXPECT_EQ(CallEnd::kWhole, Call(std::move(request))->End());
    return sent;
  }
};

TEST_F(Upstream, GivesTheAnswerAsItCame) {
  RawUpstream upstream(
      AnswerWith("HTTP/1.1 201 Made\r\nb: 2\r\nA:  x y \r\nb: 1\r\n"
                 "Content-Length: 3\r\n\r\nabc"));
  const auto heard = Call(To(upstream.origin()));
  EXPECT_EQ(CallEnd::kWhole, heard->End());
  EXPECT_EQ(201, heard->status);
  EXPECT_EQ((HeaderList{{"b", "2"}, {"A", "x y"}, {"b", "1"}}), heard->headers);
  EXPECT_EQ(3, heard->length);
  EXPECT_EQ("abc", heard->body);
  EXPECT_EQ("", heard->why);
  EXPECT_EQ(0u, upstreams_->under_way());
}

TEST_F(Upstream, SendsWhatItWasGivenAndNothingElse) {
  UpstreamRequest request = To(nullptr, "POST", "{}");
  request.headers = {{"X-One", "1"}, {"x-two", ""}, {"X-One", "2"}};
  const std::string sent = Sent(request);
  EXPECT_TRUE(sent.starts_with("POST /pay?x=%2F.. HTTP/1.1\r\nHost: 127.0.0.1:")) << sent;
  const size_t rest = sent.find("\r\n", sent.find("Host:"));
  EXPECT_EQ("\r\nX-One: 1\r\nx-two:\r\nX-One: 2\r\nContent-Length: 2\r\n\r\n{}", sent.substr(rest));
}

TEST_F(Upstream, NeverSendsAgainWhatAKeptConnectionLost) {
  std::atomic<int> hits{0};
  RawUpstream upstream([&](RawPeer& peer) {
    if (peer.ReadRequest().empty()) return;
    if (hits.fetch_add(1) > 0) return;
    peer.Send(Ok("first"));
    if (!peer.ReadRequest().empty()) hits.fetch_add(1);
  });
  for (const char* method : {"POST", "GET", "PUT"}) {
    hits = 0;
    EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin(), method))->End());
    const auto second = Call(To(upstream.origin(), method));
    EXPECT_EQ(CallEnd::kUnknown, second->End()) << method;
    EXPECT_EQ(2, hits.load()) << method << " was sent more than once";
  }
}

TEST_F(Upstream, SaysNotSentWhenNobodyListens) {
  std::shared_ptr<const Origin> origin;
  {
    RawUpstream gone([](RawPeer&) {});
    origin = gone.origin();
  }
  const auto heard = Call(To(origin));
  EXPECT_EQ(CallEnd::kNotSent, heard->End());
  EXPECT_NE("", heard->why);
  auto pipe = std::make_shared<wire::Pipe>(10);
  UpstreamRequest request = To(origin);
  request.body_pipe = pipe;
  EXPECT_EQ(CallEnd::kNotSent, Call(std::move(request))->End());
  EXPECT_TRUE(pipe->abandoned());
}

TEST_F(Upstream, SaysNotSentWhenTheNameIsNone) {
  const auto heard =
      Call(To(std::make_shared<const Origin>(Value(Origin::Parse("http://nowhere.invalid")))));
  EXPECT_EQ(CallEnd::kNotSent, heard->End());
  EXPECT_NE("", heard->why);
}

TEST_F(Upstream, SaysNotSentWhenConnectingTakesTooLong) {
  // A listener that takes nobody in: what does not fit its queue is not answered at all.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(0, bind(listener, reinterpret_cast<sockaddr*>(&address), size));
  ASSERT_EQ(0, listen(listener, 0));
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  Origin origin =
      Value(Origin::Parse("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))));
  origin.connect_timeout = std::chrono::milliseconds(100);
  const auto shared = std::make_shared<const Origin>(origin);
  std::vector<std::shared_ptr<Heard>> calls;
  for (int i = 0; i < 8; ++i) {
    UpstreamRequest request = To(shared);
    request.deadline = std::chrono::milliseconds(500);
    calls.push_back(Call(std::move(request)));
  }
  int not_sent = 0;
  for (const auto& heard : calls) not_sent += heard->End() == CallEnd::kNotSent ? 1 : 0;
  EXPECT_GE(not_sent, 5);  // one or two were taken into the queue
  close(listener);
}

TEST_F(Upstream, SaysUnknownWhenTheDeadlinePassesAfterSending) {
  RawUpstream upstream([](RawPeer& peer) { peer.WaitForEnd(); });
  UpstreamRequest request = To(upstream.origin());
  request.deadline = std::chrono::milliseconds(100);
  const auto heard = Call(std::move(request));
  EXPECT_EQ(CallEnd::kUnknown, heard->End());
  EXPECT_EQ("the deadline passed", heard->why);
}

TEST_F(Upstream, SaysNotSentWhenTheDeadlinePassesInTheQueue) {
  upstreams_ = Value(Upstreams::Start(1));
  RawUpstream upstream([](RawPeer& peer) { peer.WaitForEnd(); });
  auto first = std::make_shared<Heard>();
  const Upstreams::CallId id = upstreams_->Call(To(upstream.origin()), first);
  UpstreamRequest request = To(upstream.origin());
  request.deadline = std::chrono::milliseconds(50);
  const auto second = Call(std::move(request));
  EXPECT_EQ(CallEnd::kNotSent, second->End());
  EXPECT_NE(second->why.npos, second->why.find("before there was a connection")) << second->why;
  EXPECT_FALSE(first->ended());
  upstreams_->Cancel(id);
  EXPECT_EQ(CallEnd::kUnknown, first->End());
  EXPECT_LE(upstream.connections(), 1u);
}

TEST_F(Upstream, RefusesWhatWouldBreakTheRequest) {
  RawUpstream upstream(AnswerWith(Ok("")));
  std::vector<UpstreamRequest> wrong;
  for (const HeaderList& headers :
       {HeaderList{{"A", "b\r\nC: d"}}, HeaderList{{"A", "b\nC"}}, HeaderList{{"A", "b\r"}},
        HeaderList{{"A", std::string("b\0c", 3)}}, HeaderList{{"", "b"}}, HeaderList{{"A B", "c"}},
        HeaderList{{"A:", "b"}}, HeaderList{{"A\r\nB", "c"}}, HeaderList{{"content-length", "3"}},
        HeaderList{{"Transfer-Encoding", "chunked"}}, HeaderList{{"host", "x"}}}) {
    wrong.push_back(To(upstream.origin()));
    wrong.back().headers = headers;
  }
  for (const char* target : {"", "/a b", "/a\r\nB: c", "/\x7F"}) {
    wrong.push_back(To(upstream.origin()));
    wrong.back().target = target;
  }
  for (const char* method : {"", "GET /", "CONNECT", "A\r\nB"}) {
    wrong.push_back(To(upstream.origin(), method));
  }
  for (UpstreamRequest& request : wrong) {
    const auto heard = Call(std::move(request));
    EXPECT_EQ(CallEnd::kNotSent, heard->End());
    EXPECT_TRUE(heard->why.starts_with("upstream call: ")) << heard->why;
  }
  EXPECT_EQ(0u, upstream.connections());
  EXPECT_EQ(0u, upstreams_->under_way());
}

TEST_F(Upstream, AddsNoHeaderOfItsOwn) {
  const std::string large(3'000'000, 'x');  // libcurl would like to ask first
  const std::string sent = Sent(To(nullptr, "PUT", large));
  const size_t rest = sent.find("\r\n", sent.find("Host:"));
  EXPECT_EQ("\r\nContent-Length: 3000000\r\n\r\n",
            sent.substr(rest, sent.size() - rest - large.size()));
  UpstreamRequest request = To(nullptr);
  request.headers = {{"Accept", "*/*"}, {"expect", "100-continue"}, {"content-type", "a/b"}};
  const std::string given = Sent(request);
  EXPECT_TRUE(given.ends_with("\r\nAccept: */*\r\ncontent-type: a/b\r\nContent-Length: 0\r\n\r\n"))
      << given;
}

TEST_F(Upstream, SendsTheTargetByteForByte) {
  for (const char* target :
       {"/", "//", "/a/../b/./c", "/%7e?x=[1]&y=a#b", "*", "/\xC3\xA4", "/a?b?c\"<>"}) {
    UpstreamRequest request = To(nullptr, "GET");
    request.target = target;
    EXPECT_TRUE(Sent(request).starts_with("GET " + std::string(target) + " HTTP/1.1\r\n"))
        << target;
  }
}

TEST_F(Upstream, DoesNotCareForTheEnvironment) {
  RawUpstream trap(AnswerWith(Ok("proxied")));
  const std::string proxy = "http://127.0.0.1:" + std::to_string(trap.port());
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) setenv(name, proxy.c_str(), 1);
  RawUpstream upstream(AnswerWith(Ok("direct")));
  const auto heard = Call(To(upstream.origin()));
  EXPECT_EQ(CallEnd::kWhole, heard->End());
  EXPECT_EQ("direct", heard->body);
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) unsetenv(name);
}

TEST_F(Upstream, KeepsOffLinkLocalAddresses) {
  for (const char* url : {"http://169.254.169.254", "http://[::ffff:169.254.169.254]",
                          "http://[fe80::1]", "http://[febf::1]:80", "https://169.254.0.1"}) {
    Origin origin = Value(Origin::Parse(url));
    const auto refused = Call(To(std::make_shared<const Origin>(origin)));
    EXPECT_EQ(CallEnd::kNotSent, refused->End());
    EXPECT_NE(refused->why.npos, refused->why.find("link-local")) << refused->why;
    origin.allow_link_local = true;
    UpstreamRequest request = To(std::make_shared<const Origin>(origin));
    request.deadline = std::chrono::milliseconds(100);
    const auto tried = Call(std::move(request));
    (void)tried->End();  // whoever is there on this machine, if anybody
    EXPECT_EQ(tried->why.npos, tried->why.find("link-local")) << tried->why;
  }
}

TEST_F(Upstream, SpeaksOverAUnixSocket) {
  const TempFolder folder;
  RawUpstream upstream(
      [](RawPeer& peer) {
        for (std::string request; !(request = peer.ReadRequest()).empty();) peer.Send(Ok(request));
      },
      folder.path("app.sock"));
  const std::shared_ptr<const Origin> origin = upstream.origin();
  for (int i = 0; i < 3; ++i) {
    const auto heard = Call(To(origin, "POST", "abc"));
    EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
    EXPECT_EQ("POST /pay?x=%2F.. HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
              heard->body);
  }
  EXPECT_EQ(1u, upstream.connections());
  const auto nobody = Call(
      To(std::make_shared<const Origin>(Value(Origin::Parse("unix:" + folder.path("none.sock"))))));
  EXPECT_EQ(CallEnd::kNotSent, nobody->End());
}

// An upstream that ends idle connections after five seconds must not do so under a call of ours.
TEST_F(Upstream, LetsAConnectionGoThatWasIdleForLong) {
  RawUpstream upstream(AnswerWith(Ok("")));
  EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin()))->End());
  std::this_thread::sleep_for(std::chrono::milliseconds(4'500));  // real time: libcurl's own
  EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin()))->End());
  EXPECT_EQ(2u, upstream.connections());
}

TEST_F(Upstream, MakesThousandsOfCallsFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 500;
  RawUpstream upstream([](RawPeer& peer) {
    for (std::string request; !(request = peer.ReadRequest()).empty();) {
      peer.Send(Ok(request.substr(request.find("\r\n\r\n") + 4)));
    }
  });
  const std::shared_ptr<const Origin> origin = upstream.origin();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::vector<std::shared_ptr<Heard>> calls;
      for (int i = 0; i < kCalls; ++i) {
        calls.push_back(Call(To(origin, "POST", std::to_string(thread) + "/" + std::to_string(i))));
      }
      for (int i = 0; i < kCalls; ++i) {
        EXPECT_EQ(CallEnd::kWhole, calls[static_cast<size_t>(i)]->End());
        EXPECT_EQ(std::to_string(thread) + "/" + std::to_string(i),
                  calls[static_cast<size_t>(i)]->body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(upstream.connections(), 100u);
}

// More at a time than one of libcurl's multi handles is given.
TEST_F(Upstream, MakesHundredsOfCallsAtTheSameTime) {
  constexpr size_t kCalls = 300;
  upstreams_ = Value(Upstreams::Start(kCalls));
  std::atomic<size_t> waiting{0};
  RawUpstream upstream([&](RawPeer& peer) {
    for (std::string request; !(request = peer.ReadRequest()).empty();) {
      waiting.fetch_add(1);
      EXPECT_TRUE(Eventually([&] { return waiting.load() >= kCalls; }));
      peer.Send(Ok("abc"));
    }
  });
  const std::shared_ptr<const Origin> origin = upstream.origin();
  for (int round = 0; round < 2; ++round) {
    std::vector<std::shared_ptr<Heard>> calls;
    for (size_t i = 0; i < kCalls; ++i) calls.push_back(Call(To(origin)));
    for (const auto& heard : calls) EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
    EXPECT_GE(upstream.connections(), kCalls);
  }
}

// After a burst two thousand connections stayed open for as long as nothing more was asked for.
TEST_F(Upstream, LetsGoOfWhatABurstHasOpened) {
  constexpr size_t kCalls = 300;
  upstreams_ = Value(Upstreams::Start(kCalls));
  std::atomic<size_t> waiting{0};
  std::atomic<size_t> open{0};
  RawUpstream upstream([&](RawPeer& peer) {
    open.fetch_add(1);
    (void)peer.ReadRequest();
    waiting.fetch_add(1);
    EXPECT_TRUE(Eventually([&] { return waiting.load() >= kCalls; }));
    peer.Send(Ok("abc"));
    peer.WaitForEnd();
    open.fetch_sub(1);
  });
  std::vector<std::shared_ptr<Heard>> calls;
  for (size_t i = 0; i < kCalls; ++i) calls.push_back(Call(To(upstream.origin())));
  for (const auto& heard : calls) EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
  EXPECT_GT(open.load(), kCalls / 2);  // libcurl may have ended some already
  EXPECT_TRUE(Eventually([&] { return open.load() == 0; })) << open.load();
  EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin()))->End());
}

// One slow call a share kept all that its share had open.
TEST_F(Upstream, LetsGoOfIdleConnectionsBesideASlowCall) {
  constexpr size_t kCalls = 40;
  upstreams_ = Value(Upstreams::Start(kCalls));
  std::atomic<size_t> waiting{0};
  std::atomic<size_t> ended{0};
  std::atomic<bool> finish{false};
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadRequest();
    waiting.fetch_add(1);
    EXPECT_TRUE(Eventually([&] { return waiting.load() >= kCalls; }));
    if (peer.number() % 8 == 0) {
      EXPECT_TRUE(Eventually([&] { return finish.load(); }));
      peer.Send(Ok("slow"));
      return;
    }
    peer.Send(Ok("abc"));
    peer.WaitForEnd();
    ended.fetch_add(1);
  });
  std::vector<std::shared_ptr<Heard>> calls;
  for (size_t i = 0; i < kCalls; ++i) calls.push_back(Call(To(upstream.origin())));
  // What the gateway does every moment; by itself the thread looks once a minute.
  EXPECT_TRUE(Eventually([&] {
    upstreams_->Post([] {});
    return ended.load() == kCalls / 8 * 7;
  })) << ended.load();
  finish = true;
  for (const auto& heard : calls) EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
}

TEST_F(Upstream, EndsEveryCallBeforeItEnds) {
  RawUpstream upstream([](RawPeer& peer) { peer.WaitForEnd(); });
  const std::shared_ptr<const Origin> origin = upstream.origin();
  upstreams_ = Value(Upstreams::Start(2));
  std::vector<std::shared_ptr<Heard>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(Call(To(origin)));
  auto pipe = std::make_shared<wire::Pipe>(10);
  UpstreamRequest request = To(origin);
  request.body_pipe = pipe;
  calls.push_back(Call(std::move(request)));
  ASSERT_TRUE(Eventually([&] { return upstream.connections() == 2; }));
  upstreams_.reset();
  for (const auto& heard : calls) EXPECT_EQ(1, heard->ends);
  EXPECT_EQ(CallEnd::kNotSent, calls[2]->End());
  (void)pipe->Write("abc");  // comes late, and must find nobody
  EXPECT_TRUE(pipe->abandoned());
}

TEST_F(Upstream, ForgetsACallThatWasGivenUp) {
  std::atomic<bool> sent{false};
  RawUpstream upstream([&](RawPeer& peer) {
    sent = !peer.ReadRequest().empty();
    peer.WaitForEnd();
  });
  auto heard = std::make_shared<Heard>();
  const Upstreams::CallId id = upstreams_->Call(To(upstream.origin()), heard);
  ASSERT_TRUE(Eventually([&] { return sent.load(); }));
  upstreams_->Cancel(id);
  upstreams_->Cancel(id);
  upstreams_->Resume(id);
  EXPECT_EQ(CallEnd::kUnknown, heard->End());
  EXPECT_EQ(1, heard->ends);
  EXPECT_EQ(0u, upstreams_->under_way());
}

TEST_F(Upstream, RunsTasksOnItsOwnThreadWhenTheirTimeHasCome) {
  Mutex mutex;
  std::vector<std::pair<int, std::thread::id>> ran;
  const auto task = [&](int number) {
    return [&, number] {
      MutexLock lock(mutex);
      ran.emplace_back(number, std::this_thread::get_id());
    };
  };
  const auto begun = std::chrono::steady_clock::now();
  upstreams_->PostAfter(std::chrono::milliseconds(60), task(2));
  upstreams_->PostAfter(std::chrono::hours(24 * 365 * 200), task(3));
  upstreams_->Post(task(1));
  ASSERT_TRUE(Eventually([&] {
    MutexLock lock(mutex);
    return ran.size() == 2;
  }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(60));
  MutexLock lock(mutex);
  EXPECT_EQ(1, ran[0].first);
  EXPECT_EQ(2, ran[1].first);
  EXPECT_EQ(ran[0].second, ran[1].second);
  EXPECT_NE(std::this_thread::get_id(), ran[0].second);
}

}  // namespace
}  // namespace onced

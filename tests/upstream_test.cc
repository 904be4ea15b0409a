// SPDX-License-Identifier: MIT
// Upstreams: a call is made once, says how it ended without guessing, and sends no byte that nobody
// asked for.
#include "server/gateway/upstream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/raw_upstream.h"

namespace onced {
namespace {

UpstreamRequest To(const std::shared_ptr<const Origin>& origin, const std::string& method = "POST",
                   const std::string& body = "") {
  return {.origin = origin, .method = method, .target = "/pay?x=%2F..", .body = body};
}

class Upstream : public testing::Test {
 protected:
  std::shared_ptr<Heard> Call(UpstreamRequest request) {
    auto heard = std::make_shared<Heard>();
    upstreams_->Call(std::move(request), heard);
    return heard;
  }
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
  std::unique_ptr<Upstreams> upstreams_ = Value(Upstreams::Start(100));
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
    const size_t before = upstream.connections();
    EXPECT_EQ(CallEnd::kWhole, Call(To(upstream.origin(), method))->End());
    const auto second = Call(To(upstream.origin(), method));
    EXPECT_EQ(CallEnd::kUnknown, second->End()) << method;
    EXPECT_EQ(2, hits.load()) << method << " was sent more than once";
    EXPECT_LE(upstream.connections(), before + 2);
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
}

// Takes what comes and wants no more until it is asked for.
class Reluctant : public CallEvents {
 public:
  void OnHead(int, HeaderList, int64_t) override {}
  bool OnBody(std::string_view bytes) override {
    MutexLock lock(mutex_);
    body_.append(bytes);
    paused_ = true;
    changed_.NotifyAll();
    return false;
  }
  void OnEnd(CallEnd end, std::string) override {
    MutexLock lock(mutex_);
    end_ = end;
    changed_.NotifyAll();
  }

  // False when it has ended.
  bool AwaitPause() {
    MutexLock lock(mutex_);
    while (!paused_ && !end_.has_value()) changed_.Wait(mutex_);
    paused_ = false;
    return !end_.has_value();
  }
  std::optional<CallEnd> end() {
    MutexLock lock(mutex_);
    return end_;
  }
  std::string body() {
    MutexLock lock(mutex_);
    return body_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::string body_ GUARDED_BY(mutex_);
  bool paused_ GUARDED_BY(mutex_) = false;
  std::optional<CallEnd> end_ GUARDED_BY(mutex_);
};

// The story: a paused socket on which more came was taken for a kept connection that had stirred,
// and shut down, with what had come thrown away.
TEST_F(Upstream, LosesNothingOfAnAnswerThatIsPausedWhileMoreComes) {
  std::string answer;
  for (size_t i = 0; answer.size() < 4'000'000; ++i) answer += std::to_string(i) + " ";
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadRequest();
    peer.Send(Ok(answer));
  });
  const auto reluctant = std::make_shared<Reluctant>();
  const Upstreams::CallId call = upstreams_->Call(To(upstream.origin()), reluctant);
  while (reluctant->AwaitPause()) {
    for (int turn = 0; turn < 2; ++turn) {  // of the loop: it hears of what comes meanwhile
      std::promise<void> turned;
      upstreams_->Post([&] { turned.set_value(); });
      turned.get_future().wait();
    }
    upstreams_->Resume(call);
  }
  EXPECT_EQ(CallEnd::kWhole, reluctant->end());
  EXPECT_TRUE(answer == reluctant->body());
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Upstreams: bodies that are passed on while they come, both ways: complete, in order, and never
// more of them in memory than the slower side asks for.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tests/raw_upstream.h"

namespace onced {
namespace {

using wire::Pipe;

// Bytes of which every place is known.
std::string Pattern(size_t from, size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<char>((from + i) * 2'654'435'761U >> 13);
  return bytes;
}

// A reader that takes what has come only when it is told to, and says stop after every piece.
class SlowReader : public Heard {
 public:
  bool OnBody(std::string_view bytes) override {
    MutexLock lock(held_mutex_);
    held_.append(bytes);
    held_most_ = std::max(held_most_, held_.size());
    came_.NotifyAll();
    return false;
  }
  // Waits for a while for something to come.
  std::string TakeHeld() {
    MutexLock lock(held_mutex_);
    if (held_.empty()) (void)came_.WaitFor(held_mutex_, std::chrono::milliseconds(100));
    return std::exchange(held_, "");
  }
  size_t held_most() {
    MutexLock lock(held_mutex_);
    return held_most_;
  }

 private:
  Mutex held_mutex_;
  CondVar came_;
  std::string held_ GUARDED_BY(held_mutex_);
  size_t held_most_ GUARDED_BY(held_mutex_) = 0;
};

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

class UpstreamBody : public testing::Test, protected UpstreamCaller {
 protected:
  std::shared_ptr<Heard> Upload(const RawUpstream& upstream, std::shared_ptr<Pipe> pipe,
                                int64_t length = -1) {
    UpstreamRequest request = To(upstream.origin());
    request.body_pipe = std::move(pipe);
    request.body_length = length;
    return Call(std::move(request));
  }
};

TEST_F(UpstreamBody, OfAnAnswerWaitsForASlowReader) {
  constexpr size_t kBytes = 100'000'000;
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBytes) + "\r\n\r\n");
    for (size_t sent = 0; sent < kBytes; sent += 1'000'000) peer.Send(Pattern(sent, 1'000'000));
  });
  auto reader = std::make_shared<SlowReader>();
  const Upstreams::CallId call = upstreams_->Call(To(upstream.origin()), reader);
  size_t taken = 0;
  bool equal = true;
  while (!reader->ended()) {
    const std::string bytes = reader->TakeHeld();
    equal = equal && bytes == Pattern(taken, bytes.size());
    taken += bytes.size();
    if (!bytes.empty()) upstreams_->Resume(call);
  }
  EXPECT_EQ(CallEnd::kWhole, reader->End()) << reader->why;
  EXPECT_TRUE(equal);
  EXPECT_EQ(kBytes, taken);
  EXPECT_LE(reader->held_most(), 1'000'000u);
}

// The story: a paused socket on which more came was taken for a kept connection that had stirred,
// and shut down, with what had come thrown away.
TEST_F(UpstreamBody, LosesNothingOfAnAnswerThatIsPausedWhileMoreComes) {
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

TEST_F(UpstreamBody, OfAnAnswerIsNotReadWhileNobodyTakesIt) {
  std::atomic<size_t> sent{0};
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\n\r\n");
    while (sent.load() < 200'000'000 && peer.Send(Pattern(0, 1'000'000))) sent += 1'000'000;
  });
  auto reader = std::make_shared<SlowReader>();
  const Upstreams::CallId call = upstreams_->Call(To(upstream.origin()), reader);
  size_t last = SIZE_MAX;
  // Until what the kernel keeps is full.
  ASSERT_TRUE(Eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // real time: nothing moves
    return std::exchange(last, sent.load()) == sent.load() && sent.load() > 0;
  }));
  EXPECT_LT(sent.load(), 100'000'000u);
  EXPECT_LE(reader->held_most(), 100'000u);
  upstreams_->Cancel(call);
  EXPECT_EQ(CallEnd::kUnknown, reader->End());
}

TEST_F(UpstreamBody, OfAnAnswerIsNotCutWhenItsReaderIsSlowAtTheEnd) {
  for (const char* framing : {"Transfer-Encoding: chunked\r\n", "Content-Length: 9\r\n", ""}) {
    RawUpstream upstream([&](RawPeer& peer) {
      (void)peer.ReadRequest();
      peer.Send(
          std::string("HTTP/1.1 200 OK\r\n") + framing + "\r\n" +
          (framing[0] == 'T' ? "3\r\nabc\r\n3\r\ndef\r\n3\r\nghi\r\n0\r\n\r\n" : "abcdefghi"));
    });
    auto reader = std::make_shared<SlowReader>();
    const Upstreams::CallId call = upstreams_->Call(To(upstream.origin()), reader);
    std::string taken;
    ASSERT_TRUE(Eventually([&] {
      taken += reader->TakeHeld();
      upstreams_->Resume(call);
      return reader->ended();
    }));
    EXPECT_EQ(CallEnd::kWhole, reader->End()) << framing << reader->why;
    EXPECT_EQ("abcdefghi", taken + reader->TakeHeld()) << framing;
  }
}

TEST_F(UpstreamBody, FromAPipeIsSentWithItsLength) {
  RawUpstream upstream([&](RawPeer& peer) { peer.Send(Ok(peer.ReadRequest())); });
  auto pipe = std::make_shared<Pipe>(10);
  (void)pipe->Write("abc");
  const auto heard = Upload(upstream, pipe, 6);
  (void)pipe->Write("def");
  pipe->Close(Pipe::End::kWhole);
  EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
  EXPECT_TRUE(heard->body.ends_with("\r\nContent-Length: 6\r\n\r\nabcdef")) << heard->body;
  EXPECT_EQ(heard->body.npos, heard->body.find("Expect"));
}

TEST_F(UpstreamBody, OfUnknownLengthIsSentInChunks) {
  RawUpstream upstream([&](RawPeer& peer) {
    std::string request = peer.ReadHead();
    while (!request.ends_with("0\r\n\r\n")) request += peer.ReadSome(100);
    peer.Send(Ok(request));
  });
  auto pipe = std::make_shared<Pipe>(10);
  const auto heard = Upload(upstream, pipe);
  (void)pipe->Write("abc");
  pipe->Close(Pipe::End::kWhole);
  EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
  EXPECT_TRUE(heard->body.ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
      << heard->body;
}

TEST_F(UpstreamBody, FromAPipeMayBeEmpty) {
  RawUpstream upstream([&](RawPeer& peer) { peer.Send(Ok(peer.ReadRequest())); });
  auto pipe = std::make_shared<Pipe>(10);
  pipe->Close(Pipe::End::kWhole);
  const auto heard = Upload(upstream, pipe, 0);
  EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
  EXPECT_TRUE(heard->body.ends_with("\r\nContent-Length: 0\r\n\r\n")) << heard->body;
}

TEST_F(UpstreamBody, FromAPipeIsTakenAsFastAsTheUpstreamReads) {
  constexpr size_t kBytes = 20'000'000;
  bool equal = true;
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadHead();
    size_t read = 0;
    while (read < kBytes) {
      const std::string some = peer.ReadSome(100'000);
      if (some.empty()) return;
      equal = equal && some == Pattern(read, some.size());
      read += some.size();
    }
    peer.Send(Ok(""));
  });
  auto pipe = std::make_shared<Pipe>(100'000);
  CondVar room;
  Mutex mutex;
  bool has_room = true;
  pipe->OnRoom([&] {
    MutexLock lock(mutex);
    has_room = true;
    room.NotifyOne();
  });
  const auto heard = Upload(upstream, pipe, kBytes);
  for (size_t written = 0; written < kBytes; written += 50'000) {
    {
      MutexLock lock(mutex);
      while (!has_room) room.Wait(mutex);
      has_room = false;
    }
    if (pipe->Write(Pattern(written, 50'000))) {
      MutexLock lock(mutex);
      has_room = true;
    }
  }
  pipe->Close(Pipe::End::kWhole);
  EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
  EXPECT_TRUE(equal);
}

TEST_F(UpstreamBody, ThatBreaksOffIsUnknownAndNeverLooksWhole) {
  for (const auto& [length, end] :
       {std::pair(-1, Pipe::End::kBroken), {6, Pipe::End::kBroken}, {6, Pipe::End::kWhole}}) {
    std::string read;
    {
      RawUpstream upstream([&](RawPeer& peer) {
        for (std::string some = peer.ReadHead(); !some.empty(); some = peer.ReadSome(100)) {
          read += some;
        }
      });
      auto pipe = std::make_shared<Pipe>(10);
      (void)pipe->Write("abc");
      const auto heard = Upload(upstream, pipe, length);
      pipe->Close(end);
      EXPECT_EQ(CallEnd::kUnknown, heard->End());
      EXPECT_EQ("the body of the request broke off", heard->why);
      EXPECT_TRUE(pipe->abandoned());
    }
    EXPECT_EQ(read.npos, read.find("0\r\n\r\n"));
  }
}

TEST_F(UpstreamBody, ThatIsLongerThanItsLengthIsNotSent) {
  std::string read;
  {
    RawUpstream upstream([&](RawPeer& peer) {
      for (std::string some = peer.ReadHead(); !some.empty(); some = peer.ReadSome(100))
        read += some;
    });
    auto pipe = std::make_shared<Pipe>(100);
    (void)pipe->Write("abcGET / HTTP/1.1");
    const auto heard = Upload(upstream, pipe, 3);
    EXPECT_EQ(CallEnd::kUnknown, heard->End());
  }
  EXPECT_EQ(read.npos, read.find("GET / HTTP/1.1")) << read;
}

TEST_F(UpstreamBody, MayBeAnsweredBeforeItsEnd) {
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadHead();
    peer.Send("HTTP/1.1 413 Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    peer.WaitForEnd();
  });
  auto pipe = std::make_shared<Pipe>(1'000);
  (void)pipe->Write("abc");
  const auto piped = Upload(upstream, pipe, 10'000'000);
  EXPECT_EQ(CallEnd::kWhole, piped->End()) << piped->why;
  EXPECT_EQ(413, piped->status);
  EXPECT_EQ("big", piped->body);
  EXPECT_TRUE(pipe->abandoned());
  const auto buffered = Call(To(upstream.origin(), "POST", std::string(10'000'000, 'x')));
  EXPECT_EQ(CallEnd::kWhole, buffered->End()) << buffered->why;
  EXPECT_EQ(413, buffered->status);
}

TEST_F(UpstreamBody, ThatIsNeverFinishedDoesNotHideAWholeAnswer) {
  RawUpstream upstream([&](RawPeer& peer) {
    (void)peer.ReadHead();
    peer.Send(Ok("early"));
    peer.WaitForEnd();
  });
  UpstreamRequest request = To(upstream.origin());
  request.body_pipe = std::make_shared<Pipe>(1'000);
  request.body_length = 10;
  request.deadline = std::chrono::milliseconds(200);
  const auto heard = Call(std::move(request));
  EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
  EXPECT_EQ("early", heard->body);
}

// libcurl keeps things in a handle: the kind of the last body, and the version of the last answer.
TEST_F(UpstreamBody, IsSentRightWhateverTheLastCallWas) {
  std::atomic<bool> old_version{false};
  RawUpstream upstream([&](RawPeer& peer) {
    for (std::string request; !(request = peer.ReadHead()).empty();) {
      if (request.find("chunked") != request.npos) {
        while (!request.ends_with("0\r\n\r\n")) request += peer.ReadSome(100);
      } else if (request.find("Content-Length: 3") != request.npos) {
        request += peer.ReadSome(3);
      }
      std::string answer = Ok(request);
      if (old_version.load()) answer[7] = '0';
      peer.Send(answer);
    }
  });
  const std::shared_ptr<const Origin> origin = upstream.origin();
  const auto call = [&](const std::string& method, const std::string& body, int64_t piped) {
    UpstreamRequest request = To(origin, method, piped == 0 ? body : "");
    if (piped != 0) {
      request.body_pipe = std::make_shared<Pipe>(100);
      (void)request.body_pipe->Write(body);
      request.body_pipe->Close(Pipe::End::kWhole);
      request.body_length = piped;
    }
    const auto heard = Call(std::move(request));
    EXPECT_EQ(CallEnd::kWhole, heard->End()) << method << heard->why;
    EXPECT_TRUE(heard->body.starts_with(method + " /pay?x=%2F.. HTTP/1.1\r\n")) << heard->body;
    return heard->body.substr(heard->body.find("\r\n", heard->body.find("Host")));
  };
  for (const bool old : {false, true, false}) {
    old_version = old;
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ("\r\nContent-Length: 3\r\n\r\nabc", call("PUT", "abc", 3));
      EXPECT_EQ("\r\nContent-Length: 3\r\n\r\ndef", call("POST", "def", 0));
      EXPECT_EQ("\r\n\r\n", call("GET", "", 0));
      EXPECT_EQ("\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nghi\r\n0\r\n\r\n",
                call("PATCH", "ghi", -1));
      EXPECT_EQ("\r\n\r\n", call("DELETE", "", 0));
      EXPECT_EQ("\r\nContent-Length: 0\r\n\r\n", call("POST", "", 0));
      EXPECT_EQ("\r\n\r\n", call("OPTIONS", "", 0));
      EXPECT_EQ("\r\nContent-Length: 3\r\n\r\njkl", call("DELETE", "jkl", 0));
    }
  }
}

}  // namespace
}  // namespace onced

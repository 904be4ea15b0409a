// SPDX-License-Identifier: MIT
// Five thousand callers who wait for somebody else's run, for one key or each for another: they are
// answered when it ends, and do not slow those down who do not wait.
//
// The times are printed. What is asserted of them leaves room for a busy machine.
#include <gtest/gtest.h>

#include <functional>

#include "tests/crowd.h"

namespace onced {
namespace {

using std::chrono::steady_clock;

constexpr Milliseconds kGenerous{5'000};

struct WaitingCrowd : testing::Test {
  void SetUp() override {
    if (count < kSmallestCrowd)
      GTEST_SKIP() << "open files are limited to " << count << " connections";
  }
  const size_t count = RoomFor(5'000);
  const OncedInAFolder here{{"--durability", "os", "--waiters-max", std::to_string(count),
                             "--waiters-per-key-max", std::to_string(count), "--lease", "10m"}};

  // Each of them asks to wait for `key_of` its number.
  std::vector<Client> Line(const std::function<std::string(size_t)>& key_of) {
    std::vector<Client> line = Crowd(here.program, count);
    for (size_t i = 0; i < count; ++i) {
      line[i].Send(
          RequestText("POST", "/v1/claim", Json("{'key':'" + key_of(i) + "','wait_ms':30000}")));
    }
    EXPECT_TRUE(here.Waiting(count));
    return line;
  }
  static std::string CompleteText(const std::string& key, const std::string& fence) {
    return RequestText("POST", "/v1/complete",
                       Json("{'key':'" + key + "','fence':'" + fence + "','result':'done'}"));
  }
};

TEST_F(WaitingCrowd, ForOneKeyIsAnsweredWhenItIsCompleted) {
  std::vector<double> quiet, loaded;
  std::vector<double> took;
  for (int round = 0; round < 3; ++round) {
    const std::string key = "k" + std::to_string(round);
    const std::string fence = here.Claim(key);
    std::vector<Client> line = Line([&](size_t) { return key; });
    quiet = Beside(here.program, [] {
      // real time: a good client is being timed
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    });
    Client completer = here.program.Connect();
    loaded = Beside(here.program, [&] {
      const auto begun = steady_clock::now();
      completer.Send(CompleteText(key, fence));
      for (Client& waiter : line) ASSERT_EQ(waiter.Receive().status, 200);
      took.push_back(Milliseconds(steady_clock::now() - begun).count());
    });
    EXPECT_EQ(completer.Receive().status, 200);
    EXPECT_TRUE(here.Waiting(0));
  }
  std::sort(took.begin(), took.end());
  std::printf("%zu who waited for one key had their answers after %.0f ms (%.0f..%.0f)\n", count,
              took[1], took[0], took[2]);
  Tell("their completion", quiet, loaded);
  EXPECT_LT(took[1], kGenerous.count());
}

TEST_F(WaitingCrowd, ForAsManyKeysIsAnsweredWhenEachIsCompleted) {
  const auto key_of = [](size_t i) { return "k" + std::to_string(i); };
  Client completer = here.program.Connect();
  std::vector<std::string> fences;
  for (size_t i = 0; i < count; ++i) {
    const HttpAnswer won = completer.Ask("POST", "/v1/claim", Json("{'key':'" + key_of(i) + "'}"));
    fences.push_back(won.Field("/fence"));
  }
  std::vector<Client> line = Line(key_of);
  const std::vector<double> quiet = Beside(here.program, [] {
    // real time: a good client is being timed
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  });
  std::vector<steady_clock::time_point> sent(count);
  std::vector<double> took(count);
  const std::vector<double> loaded = Beside(here.program, [&] {
    std::thread completing([&] {
      constexpr size_t kAtOnce = 50;
      for (size_t i = 0; i < count; i += kAtOnce) {
        const size_t end = std::min(count, i + kAtOnce);
        std::string all;
        for (size_t j = i; j < end; ++j) all += CompleteText(key_of(j), fences[j]);
        std::fill(sent.begin() + i, sent.begin() + end, steady_clock::now());
        completer.Send(all);
        for (size_t j = i; j < end; ++j) EXPECT_EQ(completer.Receive().status, 200);
      }
    });
    std::vector<steady_clock::time_point> came(count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(line[i].Receive().status, 200);
      came[i] = steady_clock::now();
    }
    completing.join();
    for (size_t i = 0; i < count; ++i) took[i] = Milliseconds(came[i] - sent[i]).count();
  });
  std::printf("%zu who waited for a key each had their answers within %.1f ms, 99 in 100 in %.1f\n",
              count, *std::max_element(took.begin(), took.end()), P99(took));
  Tell("their completion", quiet, loaded);
  EXPECT_LT(*std::max_element(took.begin(), took.end()), kGenerous.count());
  EXPECT_TRUE(here.Waiting(0));
}

TEST_F(WaitingCrowd, IsAsLargeAsItMayBeAndNotLarger) {
  EXPECT_EQ(here.Get("/.well-known/idempotency").Field("/limits/waiters_max"),
            std::to_string(count));
  const OncedInAFolder small({"--waiters-max", "3", "--waiters-per-key-max", "2"});
  EXPECT_EQ(small.Get("/.well-known/idempotency").Field("/limits/waiters_max"), "3");
  EXPECT_EQ(small.Get("/.well-known/idempotency").Field("/limits/waiters_per_key_max"), "2");
  small.Claim("a");
  small.Claim("b");
  const std::string wait = "','wait_ms':30000}";
  std::vector<Client> line = Crowd(small.program, 5);
  const char* const keys[] = {"a", "a", "a", "b", "b"};
  for (size_t i = 0; i < 5; ++i) {
    line[i].Send(RequestText("POST", "/v1/claim", Json("{'key':'" + std::string(keys[i]) + wait)));
    const bool room = i != 2 && i != 4;
    if (room) {
      EXPECT_TRUE(small.Waiting(i < 2 ? i + 1 : 3));
    } else {
      ExpectProblem(line[i].Receive(), 409, "idempotency_in_flight");
    }
  }
}

}  // namespace
}  // namespace onced

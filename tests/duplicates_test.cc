// SPDX-License-Identifier: MIT
// A thousand who ask for one key at the same time, and ten thousand, by both doors: one of them
// wins, whoever asks; the others hear that it is in flight, and when it is done its result; and the
// same after a crash.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/ledger_doors.h"
#include "tests/proof.h"
#include "tests/redis.h"

namespace onced {
namespace {

constexpr int kConnections = 500;  // by each door

// Everybody's request is sent before anybody's answer is read.
class Crowd {
 public:
  explicit Crowd(const RedisInAFolder& here) {
    for (int i = 0; i < kConnections; ++i) {
      http_.push_back(here.program->Connect());
      resp_.push_back(here.Connect());
    }
  }

  struct Heard {
    int claimed = 0;
    int in_flight = 0;
    int replayed = 0;
    std::string fence;
    std::string other;  // anything else
  };
  // Each asks `times` times.
  Heard Ask(const std::string& key, int times) {
    std::string by_http;
    std::string by_resp;
    for (int i = 0; i < times; ++i) {
      by_http += RequestText("POST", "/v1/claim", Json("{'key':'" + key + "','lease_ms':600000}"));
      by_resp += Resp({"ONCED.CLAIM", key, "LEASE", "600000"});
    }
    for (int i = 0; i < kConnections; ++i) {
      if (!http_[i].Send(by_http) || !resp_[i].SendBytes(by_resp)) return {.other = "not sent"};
    }
    Heard heard;
    for (int i = 0; i < kConnections; ++i) {
      for (int n = 0; n < times; ++n) {
        const HttpAnswer answer = http_[i].Receive();
        Count(answer.body, answer.Field("/fence"), &heard);
        const std::string reply = resp_[i].Receive();
        const size_t fence = reply.find("fence\r\n");
        Count(reply, fence == std::string::npos ? "" : FenceIn(reply.substr(fence + 7)), &heard);
      }
    }
    return heard;
  }

 private:
  static std::string FenceIn(const std::string& reply) {
    const size_t begin = reply.find("\r\n") + 2;
    return reply.substr(begin, reply.find("\r\n", begin) - begin);
  }
  static void Count(const std::string& answer, const std::string& fence, Heard* heard) {
    if (answer.find("claimed") != std::string::npos) {
      ++heard->claimed;
      heard->fence = fence;
    } else if (answer.find("in_flight") != std::string::npos) {
      ++heard->in_flight;
    } else if (answer.find("replay") != std::string::npos) {
      ++heard->replayed;
    } else {
      heard->other = answer.empty() ? "nothing" : answer;
    }
  }

  std::vector<Client> http_;
  std::vector<RespClient> resp_;
};

void HaveOneWinner(int times, Proof* proof) {
  RedisInAFolder here({"--durability", "os"});
  const int all = kConnections * 2 * times;
  for (uint64_t round = 0; round < proof->rounds(); ++round) {
    const std::string key = "k" + std::to_string(round);
    Crowd crowd(here);
    const Crowd::Heard first = crowd.Ask(key, times);
    EXPECT_EQ(first.claimed, 1) << first.other;
    EXPECT_EQ(first.in_flight, all - 1) << first.other;
    EXPECT_EQ(here.program
                  ->Ask("POST", "/v1/complete",
                        Json("{'key':'" + key + "','fence':'" + first.fence + "','result':1}"))
                  .status,
              200)
        << first.fence;
    EXPECT_EQ(crowd.Ask(key, times).replayed, all);
    here.Crash();
    Crowd after(here);
    EXPECT_EQ(after.Ask(key, times).replayed, all);
    proof->count += static_cast<uint64_t>(all) * 3;
    ++proof->faults;
    if (testing::Test::HasFailure()) ++proof->failures;
  }
}

TEST(Duplicates, OfAThousandHaveOneWinner) {
  Proof proof("1,000 duplicates at once", "ONCED_DUPLICATE_ROUNDS", 5);
  HaveOneWinner(1, &proof);
}

TEST(Duplicates, OfTenThousandHaveOneWinner) {
  Proof proof("10,000 duplicates at once", "ONCED_DUPLICATE_ROUNDS", 1);
  HaveOneWinner(10, &proof);
}

}  // namespace
}  // namespace onced

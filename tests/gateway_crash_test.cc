// SPDX-License-Identifier: MIT
// onced is killed again and again in the middle of the work: no key is ever run twice, what a
// client was told is told again, and what nobody can know is called unknown.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

constexpr int kClients = 8;

// One key after the other, until onced is gone.
void PayUntilItDies(uint16_t port, const std::string& prefix,
                    std::vector<std::pair<std::string, HttpAnswer>>* told) {
  Client client(port);
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = prefix + std::to_string(i);
    told->emplace_back(key, client.Ask("POST", "/pay", "{}", Keyed(key)));
    if (told->back().second.status == 0) return;
  }
}

std::map<std::string, size_t> HitsByKey(const ScriptedUpstream& upstream) {
  std::map<std::string, size_t> hits;
  for (const Seen& seen : upstream.requests()) ++hits[seen.Header("Idempotency-Key")];
  return hits;
}

TEST(GatewayCrash, NoKeyRunsTwiceHoweverOftenOncedDies) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  size_t unknown = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::vector<std::pair<std::string, HttpAnswer>>> told(kClients);
    std::vector<std::thread> clients;
    for (int i = 0; i < kClients; ++i) {
      const std::string prefix = std::to_string(round) + "-" + std::to_string(i) + "-";
      clients.emplace_back(PayUntilItDies, here.port, prefix, &told[static_cast<size_t>(i)]);
    }
    EXPECT_TRUE(here.upstream.Hit(here.upstream.hits() + 150));
    here.Crash();
    for (std::thread& client : clients) client.join();
    for (const auto& each : told) {
      for (const auto& [key, first] : each) {
        SCOPED_TRACE(key);
        const HttpAnswer again = here.Post(key);
        if (first.status != 0) {
          ExpectReplay(again, first);
        } else if (again.status != 200) {
          ExpectProblem(again, 409, "idempotency_outcome_unknown");
          ++unknown;
        }
      }
    }
  }
  for (const auto& [key, hits] : HitsByKey(here.upstream)) EXPECT_EQ(hits, 1u) << key;
  std::printf("%zu requests, %zu of an unknown outcome\n", here.upstream.hits(), unknown);
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// A store that would make a writer wait: the API asks it again for a while, and then says so.
#include <gtest/gtest.h>
#include <httplib.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "server/http/api.h"
#include "tests/fixtures.h"
#include "tests/interrupted_store.h"
#include "tests/program.h"

namespace onced {
namespace {

struct StallingStore : InterruptedStore {
  using InterruptedStore::InterruptedStore;
  Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                         std::optional<Found> guess, const Waiter* waiter) override {
    if (stalled) return Status::Unavailable("compaction is behind");
    return InterruptedStore::Update(key, needs, decide, std::move(guess), waiter);
  }
  bool stalled = false;
};

class StalledStore : public testing::Test {
 protected:
  // One request on its way, asked as its connection would.
  struct Asked {
    explicit Asked(const std::string& json)
        : exchange({.method = "POST", .target = "/v1/claim", .body = Json(json)},
                   std::make_shared<const wire::Peer>(), [] {}) {}
    wire::Exchange exchange;
    httplib::Response response;
  };
  // The status, or nothing when it is to be asked again.
  std::optional<int> Ask(Asked& call) {
    call.exchange.BeginAsk(/*draining=*/false);
    api.Handle(call.response, call.exchange);
    if (call.exchange.parked_for().has_value()) return std::nullopt;
    return call.response.status;
  }
  std::optional<int> AskUntilAnswered(Asked& call) {
    std::optional<int> status;
    EXPECT_TRUE(Eventually([&] { return (status = Ask(call)).has_value(); }));
    return status;
  }

  LedgerInAFolder here;
  StallingStore store{here.store.get()};
  Ledger ledger{&store, {.wait_at_gate = false}};
  Api api{&ledger, {.report = [](LogEvent, const std::string&) {}}};
};

TEST_F(StalledStore, IsAskedAgainAndServesWhenItGoesOn) {
  Asked call("{'key':'k'}");
  store.stalled = true;
  EXPECT_EQ(Ask(call), std::nullopt);
  EXPECT_EQ(Ask(call), std::nullopt);
  store.stalled = false;
  EXPECT_EQ(Ask(call), 201);
}

TEST_F(StalledStore, IsToldOfWhenItStaysSo) {
  Asked call("{'key':'k'}");
  store.stalled = true;
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(AskUntilAnswered(call), 503);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, kStallPatience);
}

// The patience ran from the beginning of the request: a claim that had waited longer than that for
// another's run, and then met a stalled store, was refused at once.
TEST_F(StalledStore, FindsTheSamePatienceInACallThatHasWaited) {
  const Key key = K("k");
  const uint64_t fence = Value(ledger.Claim(key, AClaim())).record->fence;
  Asked call("{'key':'k','fingerprint':'fp','wait_ms':30000}");
  ASSERT_EQ(Ask(call), std::nullopt) << "it waits for the run";
  // real time: the request must be older than the patience
  std::this_thread::sleep_for(kStallPatience + kStallPause);
  Must(StatusOf(ledger.Release(key, {.fence = fence})));
  store.stalled = true;
  EXPECT_EQ(Ask(call), std::nullopt) << call.response.body;
  store.stalled = false;
  EXPECT_EQ(Ask(call), 201) << call.response.body;
}

}  // namespace
}  // namespace onced

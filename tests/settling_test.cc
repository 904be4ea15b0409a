// SPDX-License-Identifier: MIT
// What the gateway makes of a full disk: a request that was refused for it is told from one whose
// claim is in doubt, and the end of a run, which its upstream has answered, is recorded when there
// is room again.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/gateway/breaker.h"
#include "server/gateway/telling.h"
#include "server/gateway/upstream_run.h"
#include "tests/fixtures.h"
#include "tests/interrupted_store.h"
#include "tests/raw_upstream.h"

namespace onced {
namespace {

std::string DetailOf(const Telling& telling) {
  return nlohmann::json::parse(telling.body).at("detail");
}

// Both were told "the disk is full", and that was all.
TEST(FullDiskAtTheGateway, TellsARefusalFromAClaimThatIsInDoubt) {
  const Telling refused = FaultTelling(Profile::kProxySafe, Status::Full("claim"));
  const Telling in_doubt = FaultTelling(Profile::kProxySafe, Status::NoSpace("write"));
  EXPECT_EQ(refused.status, 507);
  EXPECT_EQ(in_doubt.status, 507);
  EXPECT_NE(DetailOf(refused).find("nothing was done"), std::string::npos) << refused.body;
  EXPECT_NE(DetailOf(in_doubt).find("is unknown"), std::string::npos) << in_doubt.body;
  EXPECT_EQ(DetailOf(in_doubt).find("nothing was done"), std::string::npos) << in_doubt.body;
  const Telling stripe = FaultTelling(Profile::kStripeV1, Status::Full("claim"));
  EXPECT_NE(stripe.body.find("nothing was done"), std::string::npos) << stripe.body;
}

// A store that refuses writes of several keys, as the ends of runs are, a number of times, or until
// it is told otherwise.
struct RefusingStore : InterruptedStore {
  using InterruptedStore::InterruptedStore;
  Result<std::vector<Applied>> UpdateAll(std::span<const UpdateStep> steps) override {
    ++asked;
    if (refusals > 0) {
      --refusals;
      return why;
    }
    return InterruptedStore::UpdateAll(steps);
  }
  std::atomic<int> refusals{0}, asked{0};
  Status why = Status::NoSpace("write: the disk is full");
};

class SettlingOnAFullDisk : public testing::TestWithParam<Fault> {
 protected:
  SettlingOnAFullDisk() {
    if (GetParam() == Fault::kFull) store.why = Status::Full("write: the disk is full");
    if (GetParam() == Fault::kIoError) store.why = Status::IoError("write: the disk is broken");
    routes.front().origin = upstream.origin();
    routes.front().breaker = std::make_shared<Breaker>();
    runs = std::make_unique<UpstreamRuns>(&ledger, Value(Upstreams::Start(10)), routes,
                                          RunTerms{.report = [](LogEvent, const std::string&) {}});
  }
  std::shared_ptr<UpstreamRun> Run() {
    const Reply claimed = Value(ledger.Claim(key, AClaim("", OnLapse::kUnknown)));
    return runs->Begin({.route = std::make_shared<const Route>(routes.front()),
                        .key = key,
                        .fence = claimed.record->fence,
                        .sequence = claimed.sequence,
                        .request = To(upstream.origin())});
  }
  std::optional<Telling> Told(UpstreamRun& run) {
    std::optional<Telling> told;
    EXPECT_TRUE(Eventually([&] { return (told = run.box().Fetch([] {})).has_value(); }));
    return told;
  }
  State StateNow() { return Value(ledger.Find(key)).record->state; }

  const Key key = K("k");
  LedgerInAFolder here;
  RefusingStore store{here.store.get()};
  Ledger ledger{&store, {.wait_at_gate = false}};
  RawUpstream upstream{AnswerWith(Ok("paid"))};
  std::vector<Route> routes = std::vector<Route>(1);
  std::unique_ptr<UpstreamRuns> runs;
};

// It gave up at once: the client of a request that was done was told that nobody knows, and so were
// all after it, though there was room a moment later.
TEST_P(SettlingOnAFullDisk, IsTriedAgainUntilThereIsRoom) {
  store.refusals = 3;
  const std::shared_ptr<UpstreamRun> run = Run();
  const std::optional<Telling> told = Told(*run);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->status, 200) << told->body;
  EXPECT_EQ(told->body, "paid");
  EXPECT_EQ(StateNow(), State::kCompleted);
  EXPECT_EQ(upstream.connections(), 1U);
}

// A stop does not wait for a disk that stays full, and nobody is told more than is known.
TEST_P(SettlingOnAFullDisk, IsGivenUpAtAStop) {
  store.refusals = 1'000'000;
  const std::shared_ptr<UpstreamRun> run = Run();
  EXPECT_TRUE(Eventually([&] { return store.asked > 1; }));
  EXPECT_TRUE(runs->Stop(std::chrono::milliseconds(0))) << "the run is still under way";
  const std::optional<Telling> told = Told(*run);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->status, 409);
  EXPECT_NE(DetailOf(*told).find("could not be recorded"), std::string::npos) << told->body;
  EXPECT_EQ(StateNow(), State::kInFlight);
}

INSTANTIATE_TEST_SUITE_P(Both, SettlingOnAFullDisk, testing::Values(Fault::kFull, Fault::kNoSpace),
                         [](const auto& given) {
                           return given.param == Fault::kFull ? "Refused" : "WriteFailed";
                         });

// The log is lost: nothing that is written now can be relied on.
using SettlingOnABrokenDisk = SettlingOnAFullDisk;
TEST_P(SettlingOnABrokenDisk, IsNotTriedAgain) {
  store.refusals = 1;
  const std::shared_ptr<UpstreamRun> run = Run();
  const std::optional<Telling> told = Told(*run);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->status, 409);
  EXPECT_EQ(store.asked, 1);
}
INSTANTIATE_TEST_SUITE_P(Broken, SettlingOnABrokenDisk, testing::Values(Fault::kIoError),
                         [](const auto&) { return "Broken"; });

}  // namespace
}  // namespace onced

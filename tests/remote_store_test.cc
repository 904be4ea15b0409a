// SPDX-License-Identifier: MIT
// A store that is behind a network, and slow: whoever asks it waits on the pool, and nobody who
// does not is held up; who finds no room there is told so; and what must still be said to the store
// when a client has gone is said there, too. The store is RocksStore, its calls held by the test.
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/gateway/breaker.h"
#include "server/gateway/upstream_run.h"
#include "server/http/api.h"
#include "tests/fixtures.h"
#include "tests/interrupted_store.h"
#include "tests/listening.h"
#include "tests/raw_upstream.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::ListenerOptions;

// Holds whoever passes, while it is shut.
class Barrier {
 public:
  ~Barrier() { Open(); }
  void Shut() {
    MutexLock lock(mutex_);
    shut_ = true;
  }
  void Open() {
    MutexLock lock(mutex_);
    shut_ = false;
    opened_.NotifyAll();
  }
  void Pass() {
    MutexLock lock(mutex_);
    ++held_;
    while (shut_) opened_.Wait(mutex_);
    --held_;
  }
  size_t held() {
    MutexLock lock(mutex_);
    return held_;
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool shut_ GUARDED_BY(mutex_) = false;
  size_t held_ GUARDED_BY(mutex_) = 0;
};

struct RemoteStore : InterruptedStore {
  using InterruptedStore::InterruptedStore;
  bool IsRemote() const override { return true; }
  Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                         std::optional<Found> guess, const Waiter* waiter) override {
    barrier.Pass();
    return InterruptedStore::Update(key, needs, decide, std::move(guess), waiter);
  }
  Result<std::vector<Applied>> UpdateAll(std::span<const UpdateStep> steps) override {
    barrier.Pass();
    return InterruptedStore::UpdateAll(steps);
  }
  Barrier barrier;
};

// The API on one loop, and a pool as the test wants it.
class RemoteDoor : public testing::Test {
 protected:
  void Listen(size_t threads, size_t line_max, milliseconds patience = std::chrono::hours(1)) {
    ListenerOptions options;
    options.io_threads = 1;
    options.pool_threads = threads;
    options.pool_line_max = line_max;
    options.pool_patience = patience;
    options.handler = [this](httplib::Response& response, wire::Exchange& exchange) {
      const bool on_pool = exchange.place() == wire::Exchange::Place::kPool;
      if (!on_pool) loop = std::this_thread::get_id();
      api.Handle(response, exchange);
    };
    options.blocks = Api::Blocks;
    options.is_probe = Api::IsProbe;
    options.is_durable = [](uint64_t) { return true; };
    options.when_durable = [this](uint64_t sequence, std::function<void()> pass) {
      ledger.WhenDurable(sequence, std::move(pass));
    };
    listener = onced::Listen(std::move(options));
  }
  Client Begin(const std::string& json, const std::string& target = "/v1/claim") {
    Client client(listener->port());
    EXPECT_TRUE(client.Send(RequestText("POST", target, Json(json))));
    return client;
  }
  int StatusOfWellKnown() {
    return Client(listener->port()).Ask("GET", "/.well-known/idempotency").status;
  }
  bool IsHeld(size_t count) {
    return Eventually([&] { return store.barrier.held() == count; });
  }

  std::atomic<std::thread::id> loop{};
  LedgerInAFolder here;
  RemoteStore store{here.store.get()};
  Ledger ledger{&store, {.wait_at_gate = false}};
  Api api{&ledger,
          {.checks = [] { return std::vector<ReadyCheck>(); },
           .now_ms = [this] { return here.clock.NowMs(); },
           .draining = [] { return false; },
           .report = [](LogEvent, const std::string&) {}}};
  std::unique_ptr<wire::Listener> listener;
};

TEST_F(RemoteDoor, HoldsUpNobodyWhoDoesNotAskTheStore) {
  Listen(2, 100);
  store.barrier.Shut();
  Client one = Begin("{'key':'a'}"), other = Begin("{'key':'b'}"), third = Begin("{'key':'c'}");
  ASSERT_TRUE(IsHeld(2));
  EXPECT_EQ(StatusOfWellKnown(), 200);
  EXPECT_EQ(Client(listener->port()).Ask("GET", "/readyz").status, 200);
  EXPECT_EQ(Client(listener->port()).Ask("GET", "/nowhere").status, 404);
  EXPECT_EQ(Begin("{'kee':'b'}", "/v1/keygen").Receive().status, 400) << "it needs no place there";
  store.barrier.Open();
  for (Client* client : {&one, &other, &third}) EXPECT_EQ(client->Receive().status, 201);
}

TEST_F(RemoteDoor, TellsWhoFindsNoRoomAndAsksNothingForIt) {
  Listen(1, 1);
  store.barrier.Shut();
  Client running = Begin("{'key':'running'}");
  ASSERT_TRUE(IsHeld(1));
  Client in_line = Begin("{'key':'in-line'}");
  HttpAnswer refused;
  // Until the one before has taken its place.
  ASSERT_TRUE(Eventually([&] {
    Client client = Begin("{'key':'refused','wait_ms':10}");
    refused = client.Receive(milliseconds(50));
    return refused.status != 0;
  }));
  ExpectProblem(refused, 503, "overloaded");
  EXPECT_EQ(refused.Header("Retry-After"), "1");
  EXPECT_NE(refused.Field("/detail").find("nothing was done"), std::string::npos);
  store.barrier.Open();
  EXPECT_EQ(running.Receive().status, 201);
  EXPECT_EQ(in_line.Receive().status, 201);
  EXPECT_FALSE(Value(ledger.Find(K("refused"))).record.has_value());
}

TEST_F(RemoteDoor, AsksNothingForWhoHasWaitedTooLong) {
  Listen(1, 100, milliseconds(250));
  store.barrier.Shut();
  Client running = Begin("{'key':'running'}");
  ASSERT_TRUE(IsHeld(1));
  Client late = Begin("{'key':'late'}");
  EXPECT_EQ(late.Receive(milliseconds(400)).status, 0) << "it has to wait";
  store.barrier.Open();
  EXPECT_EQ(running.Receive().status, 201);
  ExpectProblem(late.Receive(), 503, "overloaded");
  EXPECT_FALSE(Value(ledger.Find(K("late"))).record.has_value());
}

// On the loop its end would wait for whoever holds the key's stripe, and everybody for it.
TEST_F(RemoteDoor, LetsAWaiterLeaveWhereItMayBlock) {
  Listen(2, 100);
  EXPECT_EQ(Begin("{'key':'k'}").Receive().status, 201);
  Client waiter = Begin("{'key':'k','wait_ms':20000}");
  ASSERT_TRUE(Eventually([&] { return here.store->Health().waiters == 1; }));
  Barrier in_the_stripe;
  in_the_stripe.Shut();
  std::thread holder([&] {
    const std::vector<Key> effects = {K("k")};
    (void)ledger.Execute(K("other"), {}, effects, [&](Batch&) -> Result<std::string> {
      in_the_stripe.Pass();
      return std::string();
    });
  });
  EXPECT_TRUE(Eventually([&] { return in_the_stripe.held() == 1; }));
  waiter.HangUp();
  EXPECT_TRUE(Eventually([&] { return listener->Counts().parked == 0; }));
  EXPECT_EQ(StatusOfWellKnown(), 200);
  EXPECT_EQ(here.store->Health().waiters, 1u) << "it is still on its way out";
  in_the_stripe.Open();
  holder.join();
  EXPECT_TRUE(Eventually([&] { return here.store->Health().waiters == 0; }));
}

TEST_F(RemoteDoor, WakesWaitersAndAnswersThem) {
  Listen(1, 100);
  Client first = Begin("{'key':'k'}");
  const std::string fence = first.Receive().Field("/fence");
  std::vector<Client> waiters;
  for (int i = 0; i < 5; ++i) waiters.push_back(Begin("{'key':'k','wait_ms':20000}"));
  ASSERT_TRUE(Eventually([&] { return here.store->Health().waiters == 5; }))
      << "a pool of one has room for all of them";
  Client done = Begin("{'key':'k','fence':'" + fence + "','result':7}", "/v1/complete");
  EXPECT_EQ(done.Receive().status, 200);
  for (Client& waiter : waiters) EXPECT_EQ(waiter.Receive().Field("/result"), "7");
}

TEST_F(RemoteDoor, FreesTheKeyOfAClientThatHasGone) {
  Listen(1, 100);
  store.barrier.Shut();
  Client gone = Begin("{'key':'k'}");
  ASSERT_TRUE(IsHeld(1));
  gone.HangUp();
  EXPECT_EQ(StatusOfWellKnown(), 200);
  store.barrier.Open();
  EXPECT_TRUE(Eventually([&] {
    return Value(ledger.History(K("k"))).rows.size() == 1 &&
           !Value(ledger.Find(K("k"))).record.has_value();
  })) << "it was claimed, and let go";
}

TEST_F(RemoteDoor, StopsWhileCallsAreUnderWay) {
  Listen(1, 100);
  store.barrier.Shut();
  Client running = Begin("{'key':'running'}"), in_line = Begin("{'key':'b'}");
  ASSERT_TRUE(IsHeld(1));
  EXPECT_FALSE(listener->Stop(milliseconds(10)));
  EXPECT_TRUE(listener->IsHeldUp());
  store.barrier.Open();
  EXPECT_TRUE(Eventually([&] { return !listener->IsHeldUp(); }));
  listener.reset();
  EXPECT_FALSE(Value(ledger.Find(K("b"))).record.has_value());
}

// Whose client is cut off before it has heard of it.
TEST_F(RemoteDoor, UndoesAClaimThatAStopCutsOff) {
  Listen(1, 100);
  store.barrier.Shut();
  Client cut_off = Begin("{'key':'cut-off'}");
  ASSERT_TRUE(IsHeld(1));
  EXPECT_FALSE(listener->Stop(milliseconds(10)));
  store.barrier.Open();
  EXPECT_TRUE(Eventually([&] { return !listener->IsHeldUp(); }));
  listener.reset();
  EXPECT_FALSE(Value(ledger.Find(K("cut-off"))).record.has_value());
}

// Runs of the gateway, whose leases are renewed and whose ends are recorded. The upstream answers
// when the test lets it.
class RemoteRuns : public testing::Test {
 protected:
  explicit RemoteRuns(milliseconds lease = std::chrono::seconds(30)) {
    answers.Shut();
    routes.front().origin = upstream.origin();
    routes.front().breaker = std::make_shared<Breaker>();
    routes.front().lease = lease;
    runs = std::make_unique<UpstreamRuns>(&ledger, Value(Upstreams::Start(10)), routes,
                                          RunTerms{.report = [](LogEvent, const std::string&) {}});
  }
  std::shared_ptr<UpstreamRun> Run(const std::string& key) {
    const Reply claimed = Value(ledger.Claim(K(key), AClaim("", OnLapse::kUnknown)));
    return runs->Begin({.route = std::make_shared<const Route>(routes.front()),
                        .key = K(key),
                        .fence = claimed.record->fence,
                        .sequence = claimed.sequence,
                        .request = To(upstream.origin())});
  }
  State StateOf(const std::string& key) { return Value(ledger.Find(K(key))).record->state; }

  Barrier answers;
  LedgerInAFolder here;
  RemoteStore store{here.store.get()};
  Ledger ledger{&store, {.wait_at_gate = false}};
  RawUpstream upstream{[this](RawPeer& peer) {
    while (!peer.ReadRequest().empty()) {
      answers.Pass();
      peer.Send(Ok("paid"));
    }
  }};
  std::vector<Route> routes = std::vector<Route>(1);
  std::unique_ptr<UpstreamRuns> runs;
};

TEST_F(RemoteRuns, AreRecordedWithoutHoldingUpTheUpstreamsThread) {
  std::vector<std::shared_ptr<UpstreamRun>> all;
  for (int i = 0; i < 4; ++i) all.push_back(Run("k" + std::to_string(i)));
  store.barrier.Shut();
  answers.Open();
  ASSERT_TRUE(Eventually([&] { return store.barrier.held() >= 1; }));
  std::atomic<bool> came_round{false};
  ASSERT_TRUE(runs->Post([&] { came_round = true; }));
  EXPECT_TRUE(Eventually([&] { return came_round.load(); }));
  for (const auto& run : all) EXPECT_FALSE(run->box().Fetch([] {}).has_value()) << "too early";
  store.barrier.Open();
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(Eventually([&] { return all[i]->box().Fetch([] {}).has_value(); })) << i;
    EXPECT_EQ(StateOf("k" + std::to_string(i)), State::kCompleted);
  }
  EXPECT_TRUE(runs->Stop(milliseconds(0)));
}

TEST_F(RemoteRuns, AreHeardOfByAStop) {
  const std::shared_ptr<UpstreamRun> run = Run("k");
  store.barrier.Shut();
  answers.Open();
  ASSERT_TRUE(Eventually([&] { return store.barrier.held() == 1; }));
  std::thread opens([&] {
    // real time: the stop must be found waiting
    std::this_thread::sleep_for(milliseconds(50));
    store.barrier.Open();
  });
  EXPECT_TRUE(runs->Stop(milliseconds(1)));
  opens.join();
  EXPECT_TRUE(run->box().Fetch([] {}).has_value());
  EXPECT_EQ(StateOf("k"), State::kCompleted);
}

class ShortRemoteRuns : public RemoteRuns {
 protected:
  ShortRemoteRuns() : RemoteRuns(milliseconds(300)) {}
};

TEST_F(ShortRemoteRuns, AreRenewedMeanwhile) {
  const std::shared_ptr<UpstreamRun> run = Run("k");
  const auto lease_ends = [&] { return Value(ledger.Find(K("k"))).record->lease_until_ms; };
  const int64_t claimed_until = lease_ends();
  EXPECT_TRUE(Eventually([&] { return lease_ends() == here.clock.NowMs() + 300; }));
  EXPECT_NE(claimed_until, lease_ends());
  here.clock.Advance(100);
  EXPECT_TRUE(Eventually([&] { return lease_ends() == here.clock.NowMs() + 300; })) << "again";
  answers.Open();
  EXPECT_TRUE(Eventually([&] { return run->box().Fetch([] {}).has_value(); }));
  EXPECT_TRUE(runs->Stop(milliseconds(0)));
}

}  // namespace
}  // namespace onced

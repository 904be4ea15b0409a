// SPDX-License-Identifier: MIT
// Several onced on one database: three programs, two hundred clients at their APIs and gateways,
// and kill -9 of any program, again and again. They are one ledger: what the callers of the API
// were told is linearizable, key by key; what the buyers want has one winner; what is paid at the
// gateways is run once. ONCED_SEED=<seed> repeats the callers' choices.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/buyers.h"
#include "tests/gateway.h"
#include "tests/judge.h"
#include "tests/payers.h"
#include "tests/postgres_cluster.h"
#include "tests/postgres_programs.h"
#include "tests/program.h"
#include "tests/proof.h"
#include "tests/scripted_upstream.h"
#include "tests/witness.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

constexpr size_t kPrograms = 3;
constexpr size_t kGroup = 8;    // callers who want the same keys
constexpr size_t kGroups = 18;  // 144 callers
constexpr size_t kBuyers = 40;
constexpr size_t kPayers = 16;
constexpr milliseconds kLife{3'000};  // of a program

void Nap(milliseconds time) {
  std::this_thread::sleep_for(time);  // real time: the programs live in it
}

// The programs, where each is at the moment, and how often each thing was run.
class Programs {
 public:
  Programs() {
    for (size_t i = 0; i < kPrograms; ++i) Start(i);
  }
  // kill -9, and another in its place. False: it had ended by itself.
  bool Replace(size_t which) {
    const bool stood = kill(programs_[which]->pid(), 0) == 0;
    programs_[which]->Kill();
    Start(which);
    return stood;
  }
  uint16_t http_port(size_t which) const { return http_ports_[which]; }
  uint16_t gateway_port(size_t which) const { return gateway_ports_[which]; }
  std::map<std::string, size_t> RunsByKey() const {
    std::map<std::string, size_t> runs;
    for (const Seen& seen : upstream_.requests()) ++runs[seen.Header("Idempotency-Key")];
    return runs;
  }

 private:
  void Start(size_t which) {
    programs_[which] = std::make_unique<Program>(
        "", std::vector<std::string>{"--store", folder_.url(), "--gateway", "127.0.0.1:0",
                                     "--upstream", upstream_.url()});
    http_ports_[which] = programs_[which]->port();
    gateway_ports_[which] = GatewayPort(*programs_[which]);
  }

  PostgresFolder folder_;
  ScriptedUpstream upstream_;
  std::array<std::unique_ptr<Program>, kPrograms> programs_;
  std::array<std::atomic<uint16_t>, kPrograms> http_ports_{};
  std::array<std::atomic<uint16_t>, kPrograms> gateway_ports_{};
};

// Two hundred clients, each on a connection of its own to one of the programs; when that is killed,
// to another.
class Clients {
 public:
  Clients(Programs* programs, uint64_t seed) : programs_(programs) {
    for (size_t g = 0; g < kGroups; ++g) {
      keys_[g].first = 1'000'000 * g;
      for (size_t c = 0; c < kGroup; ++c) Call(g, c, seed + g * kGroup + c);
    }
    for (size_t b = 0; b < kBuyers; ++b) Buy(b);
    for (size_t p = 0; p < kPayers; ++p) Pay(p, seed + p);
  }
  void End() {
    over_ = true;
    progress_.End();
    for (std::thread& thread : threads_) thread.join();
    Buyer last(kBuyers, bought_.NewRecorder(), OverHttp(programs_->http_port(0)), &progress_);
    last.LookAtAll();
  }
  const Progress& progress() const { return progress_; }
  const CallHistory& asked() const { return asked_; }
  const CallHistory& bought() const { return bought_; }
  std::string JudgeThePayers(size_t* paid) const {
    return JudgePayers(payers_, programs_->RunsByKey(), programs_->gateway_port(0), paid);
  }

 private:
  void Call(size_t group, size_t number, uint64_t seed) {
    threads_.emplace_back([this, group, number, seed, recorder = asked_.NewRecorder()] {
      size_t at = number;
      Witness witness(recorder, OverHttp(programs_->http_port(at % kPrograms)));
      RandomCaller caller(&witness, &keys_[group], seed);
      while (!over_) {
        caller.Step();
        if (witness.lost()) witness.GoTo(OverHttp(programs_->http_port(++at % kPrograms)));
        Nap(milliseconds(20));
      }
    });
  }
  void Buy(size_t number) {
    threads_.emplace_back([this, number, recorder = bought_.NewRecorder()] {
      size_t at = number;
      Buyer buyer(number, recorder, OverHttp(programs_->http_port(at % kPrograms)), &progress_);
      buyer.GoOnAt([this, &at] { return OverHttp(programs_->http_port(++at % kPrograms)); });
      buyer.Buy();
    });
  }
  void Pay(size_t number, uint64_t seed) {
    payers_.push_back(std::make_unique<Payer>(&first_payment_, seed));
    threads_.emplace_back([this, number, one = payers_.back().get()] {
      for (size_t at = number; !over_; ++at) {
        one->GoTo(programs_->gateway_port(at % kPrograms));
        while (!over_ && one->Step()) Nap(milliseconds(20));
        Nap(milliseconds(20));
      }
    });
  }

  Programs* const programs_;
  CallHistory asked_;
  CallHistory bought_;
  std::array<HotKeys, kGroups> keys_;
  Progress progress_;
  std::atomic<size_t> first_payment_{0};
  std::vector<std::unique_ptr<Payer>> payers_;
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

TEST(ManyOnPostgres, AreOneLedgerWhicheverIsKilled) {
  if (!WhyNoPostgres().empty()) GTEST_SKIP() << WhyNoPostgres();
  Proof proof("many-on-postgres", "ONCED_DEATHS", 4);
  Programs programs;
  Clients clients(&programs, proof.seed());
  EXPECT_TRUE(clients.progress().Moves());
  for (; proof.count < proof.rounds(); ++proof.count) {
    Nap(kLife);
    proof.faults += programs.Replace(proof.count % kPrograms) ? 1 : 0;
  }
  EXPECT_TRUE(clients.progress().Moves()) << "the service is not back";
  clients.End();
  const Judgement judgement = Judge(clients.asked().Calls(), {.early_ms = 300, .late_ms = 0},
                                    {.callers = kGroup * kGroups,
                                     .faults = proof.faults,
                                     .seed = proof.seed(),
                                     .decided_least = 1'000,
                                     .refused_most_in_100 = 20,
                                     .unclear_most = kGroup * kGroups * proof.faults});
  EXPECT_EQ(judgement.wrong, "");
  EXPECT_EQ(JudgeBuyers(clients.bought().Calls()), "");
  size_t paid = 0;
  EXPECT_EQ(clients.JudgeThePayers(&paid), "");
  EXPECT_GT(paid, 10u);
  proof.remark = std::to_string(judgement.verdict.decided) + " calls judged, " +
                 std::to_string(clients.progress().completed()) + " bought, " +
                 std::to_string(paid) + " paid";
}

}  // namespace
}  // namespace onced

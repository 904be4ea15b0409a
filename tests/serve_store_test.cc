// SPDX-License-Identifier: MIT
// `onced serve --store URL` on a real PostgreSQL: how a start is refused, that several onceds on
// one database are one, and what is told while the database is gone.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway.h"
#include "tests/postgres_cluster.h"
#include "tests/program.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::unique_ptr<Program> Serve(const std::string& url, std::vector<std::string> flags = {},
                               const std::string& folder = "/tmp") {
  flags.insert(flags.end(), {"--store", url});
  return std::make_unique<Program>("", flags, folder);
}

std::string Claim(const std::string& key, const std::string& more = "") {
  return Json("{'key':'" + key + "'" + more + "}");
}

// How `onced serve` ends that does not start.
Ended Refused(const std::vector<std::string>& flags) {
  std::vector<std::string> args = {"serve", "--http", "127.0.0.1:0"};
  args.insert(args.end(), flags.begin(), flags.end());
  Ended ended = Program::Run(args);
  EXPECT_EQ(ended.err.find("hush"), std::string::npos) << ended.err;
  return ended;
}

std::string WithPassword(std::string url) {
  return url.replace(url.find("postgres@"), 9, "postgres:hush@");
}

TEST(ServeStore, SaysWhyItDoesNotStart) {
  PostgresFolder folder;
  const std::string url = WithPassword(folder.url());
  folder.Sql("UPDATE onced_schema SET version = 2");
  Ended ended = Refused({"--store", url});
  EXPECT_EQ(ended.code, 65) << ended.err;
  EXPECT_NE(ended.err.find("version 2"), std::string::npos) << ended.err;
  folder.Sql("DROP TABLE onced_records, onced_runs, onced_effects, onced_schema");
  ended = Refused({"--store", url});
  EXPECT_EQ(ended.code, 2) << ended.err;
  EXPECT_NE(ended.err.find("`onced migrate --store URL`"), std::string::npos) << ended.err;
  EXPECT_EQ(Program::Run({"check", "--store", url, "--http", "127.0.0.1:0"}).code, 2);
  EXPECT_EQ(Program::Run({"migrate", "--store", url}).code, 0);
  EXPECT_EQ(Program::Run({"check", "--store", url, "--http", "127.0.0.1:0"}).code, 0);
  ended = Refused({"--store", "postgres://me:hush@127.0.0.1:" + std::to_string(FreePort()) + "/x"});
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_NE(ended.err.find("--store: connect to the database"), std::string::npos) << ended.err;
}

TEST(ServeStore, RefusesADatabaseThatDoesNotSyncAndSaysSo) {
  PostgresFolder folder;
  const std::string url = folder.url() + "%20-csynchronous_commit%3Doff";
  const Ended ended = Refused({"--store", url});
  EXPECT_EQ(ended.code, 2) << ended.err;
  EXPECT_NE(ended.err.find("synchronous_commit = off"), std::string::npos) << ended.err;
  EXPECT_EQ(Program::Run({"check", "--store", url, "--http", "127.0.0.1:0"}).code, 2);
}

TEST(ServeStore, RefusesAUrlOfWhichThePasswordCouldNotBeHidden) {
  for (const std::string password : {"it's", "two words", "\"quoted\""}) {
    const Ended ended = Refused({"--store", "postgres://me:" + password + "@127.0.0.1:1/x"});
    EXPECT_EQ(ended.code, 2) << ended.err;
    EXPECT_NE(ended.err.find("%27"), std::string::npos) << ended.err;
    EXPECT_EQ(ended.err.find(password), std::string::npos) << ended.err;
  }
}

TEST(ServeStore, RefusesTheRedisDoorAndADataFolder) {
  PostgresFolder folder;
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--redis", "127.0.0.1:0"}, {"--data", "/tmp/none"}}) {
    std::vector<std::string> all = {"--store", folder.url()};
    all.insert(all.end(), flags.begin(), flags.end());
    const Ended ended = Refused(all);
    EXPECT_EQ(ended.code, 2);
    EXPECT_NE(ended.err.find(flags[0] + ": "), std::string::npos) << ended.err;
  }
}

TEST(ServeStore, OpensNoFolderAndShowsNobodyThePassword) {
  PostgresFolder folder;
  const TempFolder cwd;
  std::filesystem::create_directory(cwd.path());
  const auto program = Serve(WithPassword(folder.url()), {}, cwd.path());
  EXPECT_EQ(program->Ask("POST", "/v1/claim", Claim("k")).status, 201);
  EXPECT_TRUE(std::filesystem::is_empty(cwd.path()));
  const std::string shown =
      program->Said() + ReadFile("/proc/" + std::to_string(program->pid()) + "/cmdline") +
      program->Ask("GET", "/v1/status").body + program->Ask("GET", "/metrics").body;
  EXPECT_EQ(shown.find("hush"), std::string::npos) << shown;
  EXPECT_NE(shown.find("postgres:***@127.0.0.1"), std::string::npos) << shown;
  EXPECT_EQ(program->Ask("GET", "/.well-known/idempotency").Field("/durability"), "database");
  ExpectProblem(program->Ask("POST", "/v1/backup", Json("{'folder':'/tmp/none'}")), 501,
                "not_implemented");
  EXPECT_EQ(program->Ask("GET", "/readyz?verbose").body,
            "ok\n[+]recovering ok\n[+]database ok\n[+]draining ok\n");
}

TEST(ServeStore, OfOneDatabaseTwoAreOne) {
  PostgresFolder folder;
  const auto one = Serve(folder.url()), other = Serve(folder.url());
  const HttpAnswer won = one->Ask("POST", "/v1/claim", Claim("k"));
  ASSERT_EQ(won.status, 201);
  ExpectProblem(other->Ask("POST", "/v1/claim", Claim("k")), 409, "idempotency_in_flight");
  Client waiter = other->Connect();
  waiter.Send(RequestText("POST", "/v1/claim", Claim("k", ",'wait_ms':20000")));
  ASSERT_TRUE(Eventually([&] { return other->Ask("GET", "/v1/status").Field("/waiters") == "1"; }));
  const auto begun = steady_clock::now();
  EXPECT_EQ(one->Ask("POST", "/v1/complete",
                     Claim("k", ",'result':7,'fence':'" + won.Field("/fence") + "'"))
                .status,
            200);
  EXPECT_EQ(waiter.Receive().Field("/result"), "7");
  EXPECT_LT(steady_clock::now() - begun, milliseconds(5'000)) << "it is told, and need not look";
  const std::string pay = Json("{'amount':1,'currency':'EUR'}");
  const HttpAnswer paid = one->Ask("POST", "/api/payments", pay);
  const HttpAnswer again = other->Ask("POST", "/api/payments", pay);
  EXPECT_EQ(paid.status, 201);
  EXPECT_EQ(again.body, paid.body);
  EXPECT_EQ(again.Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(other->Ask("GET", "/api/payments").Count("/payments"), 1u);
}

TEST(ServeStore, GatewaysOfOneDatabaseRunARequestOnce) {
  PostgresFolder folder;
  ScriptedUpstream upstream;
  const std::vector<std::string> flags = {"--gateway", "127.0.0.1:0", "--upstream", upstream.url()};
  const auto one = Serve(folder.url(), flags), other = Serve(folder.url(), flags);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(GatewayPort(i % 2 == 0 ? *one : *other));
    clients.back().Send(RequestText("POST", "/pay", "{}", Keyed("k", {{"Prefer", "wait=20"}})));
  }
  int created = 0;
  std::vector<std::string> bodies;
  for (Client& client : clients) {
    const HttpAnswer answer = client.Receive();
    EXPECT_EQ(answer.status, 200) << answer.body;
    bodies.push_back(answer.body);
    created += answer.Header("Idempotency-Status") == "created" ? 1 : 0;
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(std::count(bodies.begin(), bodies.end(), bodies[0]), 20);
}

TEST(ServeStore, ARunOfADeadOncedIsUnknownWhenItsLeaseEnds) {
  GatewayInAFolder here({.route = "lease = \"2s\"\nwait = \"0s\"", .upstream = "", .gateway = ""});
  const auto latch = MakeLatch();
  here.upstream.Once("/pay", Script().Wait(latch).Send(AnswerText(200, "paid 1")));
  const Client client = here.Begin("k");
  ASSERT_TRUE(latch->Reached());
  here.Crash();
  ExpectProblem(here.Post("k"), 409, "idempotency_in_flight");
  HttpAnswer answer;
  ASSERT_TRUE(Eventually([&] {
    answer = here.Post("k");
    return answer.Field("/code") != "idempotency_in_flight";
  }));
  ExpectProblem(answer, 409, "idempotency_outcome_unknown");
  EXPECT_EQ(here.upstream.hits(), 1u);
  EXPECT_EQ(here.Resolve("k", "released").status, 200);
  EXPECT_EQ(here.Post("k").body, "POST /pay 2\n");
}

// However often it dies: no key is sent on twice, and what was answered is answered again.
TEST(ServeStore, GatewaysThatDieRunNoKeyTwice) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  for (int round = 0; round < 3; ++round) {
    std::vector<std::vector<std::pair<std::string, HttpAnswer>>> told(8);
    std::vector<std::thread> clients;
    for (size_t i = 0; i < told.size(); ++i) {
      clients.emplace_back([&, i] {
        Client client(here.port);
        do {
          const std::string key = std::to_string(round) + "-" + std::to_string(i) + "-" +
                                  std::to_string(told[i].size());
          told[i].emplace_back(key, client.Ask("POST", "/pay", "{}", Keyed(key)));
        } while (told[i].back().second.status != 0);
      });
    }
    EXPECT_TRUE(here.upstream.Hit(here.upstream.hits() + 150));
    here.Crash();
    for (std::thread& client : clients) client.join();
    for (const auto& each : told) {
      for (const auto& [key, first] : each) {
        SCOPED_TRACE(key);
        const HttpAnswer again = here.Post(key, "/pay", "{}", {{"Prefer", "wait=0"}});
        if (first.status != 0) ExpectReplay(again, first);
        if (first.status == 0 && again.status != 200) {
          ExpectProblem(again, 409, "idempotency_in_flight");
        }
      }
    }
  }
  std::map<std::string, int> hits;
  for (const Seen& seen : here.upstream.requests()) ++hits[seen.Header("Idempotency-Key")];
  for (const auto& [key, count] : hits) EXPECT_EQ(count, 1) << key;
}

// Callers that claim fresh keys, until they are told to stop: what each key was answered.
class Callers {
 public:
  Callers(uint16_t port, int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this, port, i] { Call(port, i); });
  }
  ~Callers() { Stop(); }
  std::map<std::string, HttpAnswer> Stop() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    MutexLock lock(mutex_);
    return std::move(answers_);
  }
  size_t answered() const { return answered_; }

 private:
  void Call(uint16_t port, int i) {
    for (int n = 0; !over_; ++n) {
      const std::string key = "key-" + std::to_string(i) + "-" + std::to_string(n);
      HttpAnswer answer = Client(port).Ask("POST", "/v1/claim", Claim(key));
      MutexLock lock(mutex_);
      answers_.emplace(key, std::move(answer));
      ++answered_;
    }
  }

  std::atomic<bool> over_{false};
  std::atomic<size_t> answered_{0};
  Mutex mutex_;
  std::map<std::string, HttpAnswer> answers_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

TEST(ServeStore, IsNotReadyWhileTheDatabaseIsGoneAndComesBackByItself) {
  PostgresCluster& cluster = PostgresCluster::Shared();
  PostgresFolder folder;
  const auto program = Serve(folder.url());
  Callers callers(program->port(), 8);
  ASSERT_TRUE(Eventually([&] { return callers.answered() > 200; }));
  cluster.Kill();
  const auto ready = [&] { return program->Ask("GET", "/readyz"); };
  EXPECT_TRUE(Eventually([&] { return ready().status == 503; }));
  EXPECT_EQ(ready().body, "not ready\n[-]database failed: it does not answer\n");
  EXPECT_EQ(program->Ask("GET", "/livez").status, 200);
  EXPECT_EQ(program->Ask("GET", "/v1/status").Field("/state"), "unreachable");
  const size_t then = callers.answered();
  EXPECT_TRUE(Eventually([&] { return callers.answered() > then + 100; })) << "they are told so";
  ExpectProblem(program->Ask("POST", "/v1/claim", Claim("k")), 503, "overloaded");
  EXPECT_EQ(program->Ask("GET", "/v1/keys/k").status, 503);
  cluster.Start();
  EXPECT_TRUE(Eventually([&] { return ready().status == 200; }));
  EXPECT_TRUE(
      Eventually([&] { return program->Ask("POST", "/v1/claim", Claim("after")).status == 201; }));
  const std::string said = program->Said();
  EXPECT_NE(said.find("the database answers again"), std::string::npos) << said;
  size_t won = 0, unknown = 0;
  for (const auto& [key, answer] : callers.Stop()) {
    const HttpAnswer now = program->Ask("GET", "/v1/keys/" + key);
    if (answer.status == 201) {
      ++won;
      EXPECT_EQ(now.Field("/state"), "in_flight") << key;
    } else if (answer.Field("/code") == "overloaded") {
      EXPECT_EQ(now.status, 404) << key << ": nothing was done";
    } else {
      ++unknown;
      ExpectProblem(answer, 503, "storage_unavailable");
    }
  }
  EXPECT_GT(won, 200u);
  std::printf("won %zu, of unknown fate %zu\n", won, unknown);
}

// Keeps everybody else from writing records, until it goes.
class LockedRecords {
 public:
  explicit LockedRecords(const PostgresFolder& folder)
      : connection_(Value(PostgresConnection::Open(folder.url(), {}))) {
    Run("BEGIN");
    Run("LOCK TABLE onced_records IN EXCLUSIVE MODE");
  }
  void Let() { Run("COMMIT"); }
  // Whether so many wait for it, of which one may be a sweeper.
  static bool Holds(int count) {
    const std::string enough = "SELECT (count(*) >= " + std::to_string(count) +
                               ")::text FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    return Eventually([&] { return PostgresCluster::Shared().Sql(enough)[0] == "true"; });
  }

 private:
  void Run(const char* sql) {
    const PostgresStatement statement{"", sql};
    const PostgresCall call{&statement, {}};
    const PostgresAnswer answer = connection_->Run({&call, 1});
    if (!answer.ok()) throw std::runtime_error(answer.error->message);
  }
  const std::unique_ptr<PostgresConnection> connection_;
};

TEST(ServeStore, WhoWaitsForTheDatabaseHoldsUpNobodyElse) {
  PostgresFolder folder;
  const auto program = Serve(folder.url(), {"--store-connections", "3"});
  LockedRecords locked(folder);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(program->Connect());
    clients.back().Send(RequestText("POST", "/v1/claim", Claim("k" + std::to_string(i))));
  }
  ASSERT_TRUE(LockedRecords::Holds(3)) << "so many as there are connections";
  for (int i = 0; i < 20; ++i) {  // on every loop
    EXPECT_EQ(program->Ask("GET", "/.well-known/idempotency").status, 200);
    EXPECT_EQ(program->Ask("GET", "/v1/status").status, 200);
    EXPECT_EQ(program->Ask("GET", "/livez").status, 200);
  }
  locked.Let();
  for (Client& client : clients) EXPECT_EQ(client.Receive().status, 201);
}

TEST(ServeStore, WhatHasNoKeyPassesTheGatewayMeanwhile) {
  PostgresFolder folder;
  ScriptedUpstream upstream;
  const auto program = Serve(folder.url(), {"--store-connections", "2", "--gateway", "127.0.0.1:0",
                                            "--upstream", upstream.url()});
  const uint16_t port = GatewayPort(*program);
  LockedRecords locked(folder);
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(port);
    clients.back().Send(RequestText("POST", "/pay", "{}", Keyed("k" + std::to_string(i))));
  }
  ASSERT_TRUE(LockedRecords::Holds(2));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Client(port).Ask("GET", "/see").status, 200);
  EXPECT_EQ(upstream.hits(), 10u) << "no claim, no run";
  locked.Let();
  for (Client& client : clients) {
    EXPECT_EQ(client.Receive().Header("Idempotency-Status"), "created");
  }
  EXPECT_EQ(upstream.hits(), 20u);
}

TEST(ServeStore, FinishesWhatRunsAtASigterm) {
  PostgresFolder folder;
  const auto program = Serve(folder.url());
  EXPECT_EQ(program->Ask("POST", "/v1/claim", Claim("k")).status, 201);
  Client waiter = program->Connect();
  waiter.Send(RequestText("POST", "/v1/claim", Claim("k", ",'wait_ms':20000")));
  ASSERT_TRUE(
      Eventually([&] { return program->Ask("GET", "/v1/status").Field("/waiters") == "1"; }));
  LockedRecords locked(folder);
  Client running = program->Connect();
  running.Send(RequestText("POST", "/v1/claim", Claim("other")));
  ASSERT_TRUE(LockedRecords::Holds(2));
  program->Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return program->Said().find("finishing") != std::string::npos; }));
  locked.Let();
  EXPECT_EQ(running.Receive().status, 201);
  ExpectProblem(waiter.Receive(), 409, "idempotency_in_flight");
  const Ended ended = program->WaitForEnd();
  EXPECT_EQ(ended.code, 0) << ended.err;
}

TEST(ServeStore, StopsAlsoWhenTheDatabaseIsGone) {
  PostgresCluster& cluster = PostgresCluster::Shared();
  PostgresFolder folder;
  const auto program = Serve(folder.url());
  EXPECT_EQ(program->Ask("POST", "/v1/claim", Claim("k")).status, 201);
  cluster.Kill();
  const Ended ended = program->Stop();
  cluster.Start();
  EXPECT_EQ(ended.code, 0) << ended.err;
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
// Routes that are read again at SIGHUP while requests come and go: none fails by it, none runs
// twice, what began under the old ones ends under them, and an upstream that is left alone stays
// so.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

// One route's lines and how its upstream is; `url` is the service's.
std::string Upstream(const std::string& url, const std::string& more = "") {
  return "[gateway]\n[[gateway.upstream]]\nname = \"service\"\nurl = \"" + url + "\"\n" + more;
}
std::string Route(const std::string& name, const std::string& prefix, const std::string& more) {
  return "[[gateway.route]]\nname = \"" + name + "\"\nprefix = \"" + prefix +
         "\"\nupstream = \"service\"\n" + more + "\n";
}

// A gateway whose file is changed under it.
class Reloaded {
 public:
  explicit Reloaded(const std::string& text) {
    WriteFile(file_, text);
    program_ = std::make_unique<Program>(
        folder_.path("data"), std::vector<std::string>{"--durability", "os", "--gateway",
                                                       "127.0.0.1:0", "--config", file_});
    port_ = GatewayPort(*program_);
  }
  // Until it has said what became of it.
  void Reload(const std::string& text) {
    const size_t before = program_->Said().size();
    WriteFile(file_, text);
    program_->Signal(SIGHUP);
    EXPECT_TRUE(Eventually([&] {
      said_ = program_->Said().substr(before);
      return said_.find(" is valid") != std::string::npos ||
             said_.find("the options stay as they were\n") != std::string::npos;
    }));
  }
  const std::string& said() const { return said_; }
  Client Connect() const { return Client(port_); }
  HttpAnswer Post(const std::string& target, const std::string& key,
                  const std::string& body = "{}") const {
    return Connect().Ask("POST", target, body, Keyed(key));
  }
  std::string Metric(const std::string& name) const {
    const std::string all = program_->Ask("GET", "/metrics").body;
    const size_t at = all.find("\n" + name + " ");
    return at == std::string::npos
               ? ""
               : all.substr(at + name.size() + 2, all.find('\n', at + 1) - at - name.size() - 2);
  }
  HttpAnswer Requests() const { return program_->Ask("GET", "/v1/requests"); }
  // It is counted when all files are read.
  bool Becomes(const std::string& metric, const std::string& value) const {
    return Eventually([&] { return Metric(metric) == value; });
  }
  std::string Waiters() const { return program_->Ask("GET", "/v1/status").Field("/waiters"); }
  std::string Breaker() const {
    return program_->Ask("GET", "/v1/status").Field("/gateway/routes/0/breaker");
  }

 private:
  const TempFolder folder_;
  const std::string file_ = folder_.path("onced.toml");
  std::unique_ptr<Program> program_;
  uint16_t port_ = 0;
  std::string said_;
};

TEST(GatewayReload, FailsNobodyAndRunsNothingTwice) {
  constexpr int kReloads = 50;
  ScriptedUpstream upstream;
  const std::string first = Upstream(upstream.url()) + Route("pay", "/pay", "") +
                            Route("mixed", "/mixed", "methods = [\"POST\"]");
  // Where the one has keys and reads a request whole, the other passes it on while it comes.
  const std::string second = Upstream(upstream.url()) + Route("pay", "/pay", "wait = \"3s\"") +
                             Route("mixed", "/mixed", "methods = [\"PUT\"]") +
                             Route("more", "/more", "");
  const std::string invalid = first + "nonsense = 1\n";
  Reloaded here(first);
  std::atomic<bool> stop{false};
  std::atomic<size_t> asked{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int thread = 0; thread < 8; ++thread) {
    clients.emplace_back([&, thread] {
      Client client = here.Connect();
      for (int i = 0; !stop; ++i) {
        const std::string key = std::to_string(thread) + "-" + std::to_string(i);
        const std::string body = "{\"key\":\"" + key + "\"}";
        const HttpAnswer ran = client.Ask("POST", "/pay", body, Keyed(key));
        const HttpAnswer again = client.Ask("POST", "/pay", body, Keyed(key));
        const HttpAnswer mixed = client.Ask("POST", "/mixed", body, Keyed("m" + key));
        const bool right = ran.status == 200 && again.status == 200 && mixed.status == 200 &&
                           again.Header("Idempotent-Replayed") == "true";
        if (!right && wrong++ == 0) {
          ADD_FAILURE() << ran.status << again.status << mixed.status << ran.body << mixed.body;
        }
        ++asked;
      }
    });
  }
  for (int i = 0; i < kReloads; ++i) {
    here.Reload(i % 3 == 0 ? second : i % 3 == 1 ? invalid : first);
    if (i % 3 == 1) {
      EXPECT_NE(here.said().find("nonsense"), std::string::npos) << here.said();
    }
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(asked, 8u);
  EXPECT_EQ(upstream.HitsOfPath("/pay"), asked) << "each key once";
  EXPECT_EQ(upstream.HitsOfPath("/mixed"), asked);
  for (const Seen& seen : upstream.requests()) {
    EXPECT_NE(seen.body.find(seen.Header("Idempotency-Key").substr(1)), std::string::npos)
        << "a request without its body: " << seen.head;
  }
}

// A story: the last requests were told by names that were gone with their routes.
TEST(GatewayReload, LeavesTheLastRequestsTheirNames) {
  ScriptedUpstream upstream;
  const auto routes = [&](const std::string& name) {
    return Upstream(upstream.url()) + Route(name, "/pay", "");
  };
  Reloaded here(routes("the-name-of-the-first-route"));
  EXPECT_EQ(here.Post("/pay", "k").status, 200);
  for (const char* name : {"second", "third", "another-name-of-many-letters"}) {
    here.Reload(routes(name));
    EXPECT_EQ(here.Post("/pay", name).status, 200);
  }
  const HttpAnswer told = here.Requests();
  EXPECT_EQ(told.Field("/recent/3/route"), "the-name-of-the-first-route") << told.body;
  EXPECT_EQ(told.Field("/recent/2/route"), "second");
}

TEST(GatewayReload, RefusesAnInvalidFileWhole) {
  ScriptedUpstream upstream;
  const std::string good = Upstream(upstream.url()) + Route("pay", "/pay", "");
  Reloaded here(good);
  EXPECT_TRUE(here.Becomes("onced_config_last_reload_successful", "1"));
  const std::string at = here.Metric("onced_config_last_reload_success_timestamp_seconds");
  EXPECT_NE(at, "");
  here.Reload(Upstream(upstream.url()) + Route("new", "/new", "") + "nonsense = 1\n");
  EXPECT_NE(here.said().find("onced.toml:10:1: nonsense"), std::string::npos) << here.said();
  EXPECT_TRUE(here.Becomes("onced_config_last_reload_successful", "0"));
  EXPECT_EQ(here.Metric("onced_config_last_reload_success_timestamp_seconds"), at);
  EXPECT_EQ(here.Post("/new", "k").status, 404);
  EXPECT_EQ(here.Post("/pay", "k").status, 200);
  here.Reload(good + Route("new", "/new", ""));
  EXPECT_TRUE(here.Becomes("onced_config_last_reload_successful", "1"));
  EXPECT_EQ(here.said().find("at the next start"), std::string::npos) << here.said();
  EXPECT_EQ(here.Post("/new", "k").status, 200);
  here.Reload("lease = \"9s\"\n" + Upstream(upstream.url()) + Route("pay", "/pay", ""));
  EXPECT_NE(here.said().find("at the next start it changes: lease"), std::string::npos);
  EXPECT_EQ(here.Post("/new", "l").status, 404);
}

// Who waits for a run of a route that is gone by then is told its answer all the same.
TEST(GatewayReload, EndsWhatBeganOnARouteThatIsGone) {
  ScriptedUpstream upstream;
  const auto latch = MakeLatch();
  upstream.Once("/pay", Script().Wait(latch).Send(AnswerText(201, "paid")));
  const std::string rest = Upstream(upstream.url()) + Route("rest", "/rest", "");
  Reloaded here(rest + Route("pay", "/pay", "wait = \"20s\""));
  Client runs = here.Connect();
  EXPECT_TRUE(runs.Send(RequestText("POST", "/pay", "{}", Keyed("k"))));
  ASSERT_TRUE(latch->Reached());
  Client waits = here.Connect();
  EXPECT_TRUE(waits.Send(RequestText("POST", "/pay", "{}", Keyed("k"))));
  EXPECT_TRUE(Eventually([&] { return here.Waiters() == "1"; }));
  here.Reload(rest);
  EXPECT_EQ(here.Post("/pay", "other").status, 404);
  latch->Open();
  EXPECT_EQ(runs.Receive().body, "paid");
  EXPECT_EQ(waits.Receive().body, "paid");
  EXPECT_EQ(upstream.HitsOfPath("/pay"), 1u);
}

TEST(GatewayReload, KeepsABreakerWhoseUpstreamIsAsItWas) {
  const std::string url = "http://127.0.0.1:" + std::to_string(FreePort());
  const std::string quick = "[gateway.upstream.breaker]\nfailures_in_row = 2\nopen_for = \"10m\"\n";
  Reloaded here(Upstream(url, quick) + Route("pay", "/pay", ""));
  for (int i = 0; i < 3; ++i) EXPECT_GE(here.Post("/pay", "k" + std::to_string(i)).status, 500);
  EXPECT_EQ(here.Breaker(), "open");
  here.Reload(Upstream(url, quick) + Route("pay", "/pay", "wait = \"1s\"") +
              Route("new", "/new", ""));
  EXPECT_EQ(here.Breaker(), "open");
  here.Reload(Upstream(url, quick + "window = \"9s\"\n") + Route("pay", "/pay", ""));
  EXPECT_EQ(here.Breaker(), "closed") << "it is another one";
}

}  // namespace
}  // namespace onced

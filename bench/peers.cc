// SPDX-License-Identifier: MIT
#include "bench/peers.h"

#include <httplib.h>

#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include "bench/child.h"
#include "bench/loopback.h"
#include "bench/proxies.h"
#include "bench/redis_sides.h"

namespace onced::bench {
namespace {

using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kPause{20};
constexpr char kPython[] = "/usr/bin/python3";  // Debian's: the one that has FastAPI and redis-py

// A program that listens on a port which it was told.
class Listening {
 public:
  template <typename WordsOf>
  explicit Listening(const WordsOf& words_of)
      : port_(FreePort()), child_({.words = words_of(port_, folder_.path())}, log()) {
    const Clock::time_point until = Clock::now() + kPatience;
    while (!Accepts()) {
      if (child_.HasEnded() || Clock::now() > until) Fail("does not listen: " + child_.Log());
      std::this_thread::sleep_for(kPause);
    }
  }
  int port() const { return port_; }
  const Child& child() const { return child_; }

 private:
  std::filesystem::path log() const { return folder_.path() / "log"; }
  bool Accepts() const {
    const int fd = ConnectTo(port_);
    if (fd < 0) return false;
    close(fd);
    return true;
  }
  const TempFolder folder_;
  const int port_;
  const Child child_;
};

struct Redis : Listening {
  explicit Redis(const std::string& appendfsync)
      : Listening([&](int port, const std::string& folder) {
          return RedisServerWords(std::to_string(port), folder, appendfsync);
        }) {}
};

struct Alone : System {
  int port() const override { return listening().port(); }
  std::chrono::microseconds CpuTime() const override { return listening().child().CpuTime(); }
  int64_t ResidentKib() const override { return listening().child().Kibibytes("VmRSS"); }
  virtual const Listening& listening() const = 0;
};

class RedisItself : public Alone {
 public:
  explicit RedisItself(const std::string& appendfsync) : redis_(appendfsync) {}
  Protocol protocol() const override { return Protocol::kRedis; }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return RedisScript(std::move(keys));
  }
  const Listening& listening() const override { return redis_; }

 private:
  const Redis redis_;
};

// A service in another language, and its redis-server.
class Service : public System {
 public:
  using WordsOf = std::function<Words(int port, int redis_port)>;
  Service(const std::string& appendfsync, bool marks_replays, const WordsOf& words)
      : marks_replays_(marks_replays),
        redis_(appendfsync),
        service_([&](int port, const std::string&) { return words(port, redis_.port()); }) {}
  int port() const override { return service_.port(); }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return PostScript(std::move(keys), "/payments", marks_replays_);
  }
  std::optional<Executions> Counted() const override {
    const auto answer = httplib::Client("127.0.0.1", port()).Get("/count");
    if (!answer || answer->status != 200) Fail("a service does not count");
    return Executions{
        .all = static_cast<int64_t>(NumberAfter(answer->body, "\"executions\":")),
        .keys_with_more = static_cast<int64_t>(NumberAfter(answer->body, "\"twice\":"))};
  }
  std::chrono::microseconds CpuTime() const override {
    return redis_.child().CpuTime() + service_.child().CpuTime();
  }
  int64_t ResidentKib() const override {
    return redis_.child().Kibibytes("VmRSS") + service_.child().Kibibytes("VmRSS");
  }

 private:
  const bool marks_replays_;
  const Redis redis_;
  const Listening service_;
};

class Webdis : public System {
 public:
  Webdis()
      : redis_("off"), webdis_([&](int port, const std::string& folder) -> Words {
          const std::string config = folder + "/webdis.json";
          std::ofstream(config) << R"({"redis_host":"127.0.0.1","redis_port":)" << redis_.port()
                                << R"(,"http_host":"127.0.0.1","http_port":)" << port
                                << R"(,"threads":2,"pool_size":20,"daemonize":false,)"
                                << R"("database":0,"verbosity":1,"logfile":")" << folder
                                << "/webdis.log\"}";
          return {"webdis", config};
        }) {}
  int port() const override { return webdis_.port(); }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return WebdisScript(std::move(keys));
  }
  std::chrono::microseconds CpuTime() const override {
    return redis_.child().CpuTime() + webdis_.child().CpuTime();
  }
  int64_t ResidentKib() const override {
    return redis_.child().Kibibytes("VmRSS") + webdis_.child().Kibibytes("VmRSS");
  }

 private:
  const Redis redis_;
  const Listening webdis_;
};

class Etcd : public Alone {
 public:
  Etcd()
      : etcd_([](int port, const std::string& folder) -> Words {
          const std::string clients = "http://127.0.0.1:" + std::to_string(port);
          const std::string peers = "http://127.0.0.1:" + std::to_string(FreePort());
          return {"etcd",
                  "--data-dir",
                  folder + "/data",
                  "--log-level",
                  "error",
                  "--quota-backend-bytes",
                  "8589934592",
                  "--listen-client-urls",
                  clients,
                  "--advertise-client-urls",
                  clients,
                  "--listen-peer-urls",
                  peers,
                  "--initial-advertise-peer-urls",
                  peers,
                  "--initial-cluster",
                  "default=" + peers};
        }) {
    // It takes connections before it has elected itself.
    httplib::Client client("127.0.0.1", etcd_.port());
    const Clock::time_point until = Clock::now() + kPatience;
    for (;;) {
      const auto health = client.Get("/health");
      if (health && health->body.find("\"true\"") != std::string::npos) break;
      if (Clock::now() > until) Fail("etcd is not healthy: " + etcd_.child().Log());
      std::this_thread::sleep_for(kPause);
    }
  }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return EtcdScript(std::move(keys));
  }
  const Listening& listening() const override { return etcd_; }

 private:
  const Listening etcd_;
};

class Nginx : public Alone {
 public:
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return CeilingScript(std::move(keys), "/");
  }
  const Listening& listening() const override { return server_; }

 private:
  static Words WordsOf(int port, const std::string& folder);
  const Listening server_{WordsOf};
};

class Echo : public System {
 public:
  explicit Echo(const std::string& program)
      : child_({.words = {program}}, folder_.path() / "log"),
        port_(std::atoi(child_.Await("127.0.0.1:").c_str())) {}
  int port() const override { return port_; }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return CeilingScript(std::move(keys), "/echo");
  }
  std::chrono::microseconds CpuTime() const override { return child_.CpuTime(); }
  int64_t ResidentKib() const override { return child_.Kibibytes("VmRSS"); }

 private:
  const TempFolder folder_;
  const Child child_;
  const int port_;
};

Words Nginx::WordsOf(int port, const std::string& folder) {
  return NginxWords(folder, "master_process off; error_log stderr error;",
                    "server { listen 127.0.0.1:" + std::to_string(port) +
                        "; location / { return 200 'paid'; } }");
}

// The first of them that is not installed, in words.
std::string MissingOf(const Words& programs) {
  for (const std::string& program : programs) {
    if (!CanRun(program)) return program + " is not installed";
  }
  return "";
}

std::string WithoutFastApi(const Places& /*places*/) {
  if (std::string why = MissingOf({"redis-server", kPython}); !why.empty()) return why;
  static const bool has_modules =
      std::system(
          (std::string(kPython) + " -c 'import fastapi, uvicorn, redis.asyncio' 2>/dev/null")
              .c_str()) == 0;
  return has_modules ? "" : "python3-fastapi, python3-uvicorn or python3-redis is not installed";
}

std::string WithoutExpress(const Places& places) {
  if (std::string why = MissingOf({"redis-server", "node"}); !why.empty()) return why;
  return places.node_modules.empty() ? "express and its middleware could not be had from npm" : "";
}

std::function<std::string(const Places&)> Without(std::vector<std::string> programs) {
  return [programs = std::move(programs)](const Places&) { return MissingOf(programs); };
}

std::string FsyncOf(const std::string& appendfsync) {
  if (appendfsync == "always") return "fsync before each answer";
  return appendfsync == "everysec" ? "fsync once a second" : "none: memory only";
}

SystemKind FastApi(const std::string& appendfsync) {
  return {.name = "fastapi-redis-" + appendfsync,
          .durability = FsyncOf(appendfsync),
          .about = "FastAPI, redis-py and redis-server: check, lock, pay, store",
          .missing = WithoutFastApi,
          .start =
              [=](const Places& places) {
                return std::make_unique<Service>(
                    appendfsync, /*marks_replays=*/true, [&](int port, int redis_port) -> Words {
                      return {"env",
                              "REDIS_PORT=" + std::to_string(redis_port),
                              kPython,
                              "-m",
                              "uvicorn",
                              "--app-dir",
                              places.peers,
                              "--port",
                              std::to_string(port),
                              "--no-access-log",
                              "--log-level",
                              "warning",
                              "--timeout-keep-alive",
                              "600",
                              "fastapi_payments:app"};
                    });
              },
          .executes_once = false};
}

SystemKind Express(const std::string& appendfsync) {
  return {.name = "express-redis-" + appendfsync,
          .durability = FsyncOf(appendfsync),
          .about = "Express, express-idempotency with its Redis adapter, and redis-server",
          .missing = WithoutExpress,
          .start =
              [=](const Places& places) {
                return std::make_unique<Service>(
                    appendfsync, /*marks_replays=*/false, [&](int port, int redis_port) -> Words {
                      return {"env",
                              "NODE_ENV=production",
                              "NODE_PATH=" + places.node_modules,
                              "REDIS_PORT=" + std::to_string(redis_port),
                              "PORT=" + std::to_string(port),
                              "node",
                              places.peers + "/express_payments.js"};
                    });
              },
          .executes_once = false};
}

SystemKind RedisKind(const std::string& appendfsync) {
  return {.name = "redis-server-" + appendfsync,
          .durability = FsyncOf(appendfsync),
          .about = "redis-server itself: SET NX GET, then SET",
          .missing = Without({"redis-server"}),
          .start = [=](const Places&) { return std::make_unique<RedisItself>(appendfsync); }};
}

}  // namespace

std::vector<SystemKind> Peers() {
  std::vector<SystemKind> peers;
  for (const char* appendfsync : {"always", "everysec", "off"}) {
    peers.push_back(FastApi(appendfsync));
    peers.push_back(RedisKind(appendfsync));
  }
  peers.push_back(Express("everysec"));
  peers.push_back({.name = "webdis-redis-off",
                   .durability = FsyncOf("off"),
                   .about = "Redis over HTTP: Webdis and redis-server",
                   .missing = Without({"webdis", "redis-server"}),
                   .start = [](const Places&) { return std::make_unique<Webdis>(); }});
  peers.push_back({.name = "etcd",
                   .durability = "fsync before each answer",
                   .about = "etcd 3.4, transactions by its JSON gateway",
                   .missing = Without({"etcd"}),
                   .start = [](const Places&) { return std::make_unique<Etcd>(); }});
  peers.push_back({.name = "nginx-200",
                   .durability = "nothing is kept",
                   .about = "a ceiling: nginx that returns 200",
                   .missing = Without({kNginx}),
                   .start = [](const Places&) { return std::make_unique<Nginx>(); }});
  peers.push_back(
      {.name = "stock-echo",
       .durability = "nothing is kept",
       .about = "a ceiling: stock cpp-httplib that echoes",
       .missing = Without({}),
       .start = [](const Places& places) { return std::make_unique<Echo>(places.stock_echo); }});
  return peers;
}

}  // namespace onced::bench

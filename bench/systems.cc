// SPDX-License-Identifier: MIT
#include "bench/systems.h"

#include <utility>

#include "bench/child.h"
#include "bench/peers.h"
#include "bench/proxies.h"

namespace onced::bench {
namespace {

// `onced serve`, and one of its doors.
class OncedDoor : public System {
 public:
  enum class Door { kEndpoint, kApi, kRedis };
  OncedDoor(const Places& places, Door door, const std::string& durability)
      : door_(door),
        child_({.words = {places.onced, "serve", "--http", "127.0.0.1:0", "--redis", "127.0.0.1:0",
                          "--data", folder_.path() / "data", "--durability", durability}},
               folder_.path() / "log") {
    const std::string mark =
        door == Door::kRedis ? "redis      127.0.0.1:" : "API        http://127.0.0.1:";
    port_ = std::atoi(child_.Await(mark).c_str());
  }
  int port() const override { return port_; }
  Protocol protocol() const override {
    return door_ == Door::kRedis ? Protocol::kRedis : Protocol::kHttp;
  }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    switch (door_) {
      case Door::kEndpoint:
        return PostScript(std::move(keys), "/api/payments", /*marks_replays=*/true);
      case Door::kApi:
        return ClaimScript(std::move(keys));
      case Door::kRedis:
        break;
    }
    return RedisScript(std::move(keys));
  }
  std::chrono::microseconds CpuTime() const override { return child_.CpuTime(); }
  int64_t ResidentKib() const override { return child_.Kibibytes("VmRSS"); }

 private:
  const Door door_;
  const TempFolder folder_;
  const Child child_;
  int port_;
};

// onced's gateway before a service that takes a millisecond and counts.
class OncedBefore : public System {
 public:
  OncedBefore(const Places& places, const std::string& durability)
      : service_(places.timed_service, 1), gateway_(places.onced, durability, service_) {}
  int port() const override { return gateway_.gateway_port(); }
  std::unique_ptr<PayingScript> NewScript(RunKeys keys) const override {
    return PostScript(std::move(keys), "/pay", /*marks_replays=*/true);
  }
  std::optional<Executions> Counted() const override { return Executions{.all = service_.Count()}; }
  std::chrono::microseconds CpuTime() const override { return gateway_.child().CpuTime(); }
  int64_t ResidentKib() const override { return gateway_.child().Kibibytes("VmRSS"); }

 private:
  const TimedService service_;
  const OncedGateway gateway_;
};

std::string Nothing(const Places& /*places*/) { return ""; }

SystemKind Ours(const std::string& name, const std::string& durability, const std::string& about,
                std::function<std::unique_ptr<System>(const Places&)> start) {
  return {.name = name,
          .durability = durability == "sync"       ? "fsync before each answer"
                        : durability == "interval" ? "fsync every 100 ms"
                                                   : "left to the system",
          .about = about,
          .missing = Nothing,
          .start = std::move(start)};
}

SystemKind Door(const std::string& name, OncedDoor::Door door, const std::string& durability,
                const std::string& about) {
  return Ours(name + "-" + durability, durability, about, [=](const Places& places) {
    return std::make_unique<OncedDoor>(places, door, durability);
  });
}

SystemKind Before(const std::string& durability) {
  return Ours(
      "onced-gateway-" + durability, durability, "onced's gateway before a service of 1 ms",
      [=](const Places& places) { return std::make_unique<OncedBefore>(places, durability); });
}

}  // namespace

const std::vector<SystemKind>& AllSystems() {
  static const auto* const all = [] {
    auto* kinds = new std::vector<SystemKind>;
    for (const std::string durability : {"sync", "interval", "os"}) {
      kinds->push_back(Door("onced-endpoint", OncedDoor::Door::kEndpoint, durability,
                            "onced's example endpoint: claim, effect and result in one write"));
      kinds->push_back(Door("onced-api", OncedDoor::Door::kApi, durability,
                            "onced's API: claim, then complete"));
      kinds->push_back(Door("onced-redis", OncedDoor::Door::kRedis, durability,
                            "onced's Redis door: SET NX GET, then SET"));
      kinds->push_back(Before(durability));
    }
    for (SystemKind& peer : Peers()) kinds->push_back(std::move(peer));
    return kinds;
  }();
  return *all;
}

const SystemKind& SystemNamed(const std::string& name) {
  for (const SystemKind& kind : AllSystems()) {
    if (kind.name == name) return kind;
  }
  Fail("there is no system " + name);
}

}  // namespace onced::bench

// SPDX-License-Identifier: MIT
// What it costs to keep accounts of requests: counts and durations for /metrics, and the rings of
// the access log. A replay is asked for over loopback, by one client and one I/O thread in this
// process, with accounts and without; what is compared is the time on a processor of both ends
// together, for that is steadier than how long it takes.
//
//   BM_Replay/0    without
//   BM_Replay/1    with: what the doors do as an answer leaves
//   BM_Accounts    those alone
//   BM_RequestId   an id for a request that comes without one (in both of the first)
//
// Run it as: onced_accounts_bench --benchmark_repetitions=9 --benchmark_enable_random_interleaving
// and compare medians of CPU. The bar: BM_Accounts is below 1 % of BM_Replay/0.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "bench/engine_world.h"
#include "server/http/api.h"
#include "server/operations/access_log.h"
#include "server/wire/listener.h"

namespace onced {
namespace {

struct Accounts {
  Tally tally;
  AccessLog access{nullptr, {}};

  void Keep(const wire::Tag& tag) {
    const auto took = std::chrono::steady_clock::now() - tag.begun;
    const auto mark = static_cast<CameTo>(tag.mark);
    tally.Count(Door::kApi, mark);
    tally.Status(Door::kApi, tag.status);
    tally.Took(Door::kApi, took);
    access.Tell(Door::kApi, mark, tag, took);
  }
};

// An API on a store of its own, with one completed key.
struct Served {
  explicit Served(bool with_accounts)
      : world(WorldOptions{.wait_at_gate = false}),
        api(&world.ledger(), {.now_ms = [this] { return world.store().NowMs(); },
                              .draining = [] { return false; },
                              .report = [](LogEvent, const std::string&) {}}) {
    wire::ListenerOptions options;
    options.io_threads = 1;
    options.handler = [this](httplib::Response& response, wire::Exchange& exchange) {
      api.Handle(response, exchange);
    };
    options.blocks = Api::Blocks;
    options.when_durable = [this](uint64_t sequence, std::function<void()> pass) {
      world.ledger().WhenDurable(sequence, std::move(pass));
    };
    if (with_accounts) options.leaves = [this](const wire::Tag& tag) { accounts.Keep(tag); };
    auto started = wire::Listener::Start(std::move(options));
    if (started.ok()) listener = std::move(*started);
  }

  World world;
  Api api;
  Accounts accounts;
  std::unique_ptr<wire::Listener> listener;
};

class Connection {
 public:
  explicit Connection(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    (void)setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One answer, small enough to come in one piece.
  std::string_view Ask(std::string_view request) {
    if (!connected_ || send(fd_, request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
    const ssize_t size = recv(fd_, in_.data(), in_.size(), 0);
    return {in_.data(), static_cast<size_t>(std::max<ssize_t>(size, 0))};
  }

 private:
  const int fd_;
  bool connected_ = false;
  std::array<char, 4096> in_{};
};

std::string Post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

void BM_Replay(benchmark::State& state) {
  const Served served(state.range(0) != 0);
  if (served.listener == nullptr) return state.SkipWithError("it does not listen");
  Connection connection(served.listener->port());
  (void)connection.Ask(Post("/v1/complete", R"({"key":"k","result":{"paid":true}})"));
  const std::string replay = Post("/v1/claim", R"({"key":"k"})");
  for (auto _ : state) {
    if (connection.Ask(replay).find("\"replay\"") == std::string_view::npos) {
      return state.SkipWithError("not replayed");
    }
  }
}
BENCHMARK(BM_Replay)->Arg(0)->Arg(1)->MeasureProcessCPUTime();

void BM_Accounts(benchmark::State& state) {
  static Accounts accounts;
  wire::Tag tag{.status = 200,
                .mark = static_cast<uint8_t>(CameTo::kReplayed),
                .begun = std::chrono::steady_clock::now(),
                .method = "POST",
                .route = "/v1/claim"};
  tag.request_id = wire::RequestId::New();
  for (auto _ : state) accounts.Keep(tag);
}
BENCHMARK(BM_Accounts)->Threads(1)->Threads(2);

void BM_RequestId(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(wire::RequestId::New());
}
BENCHMARK(BM_RequestId);

}  // namespace
}  // namespace onced

BENCHMARK_MAIN();

// SPDX-License-Identifier: MIT
// The service behind the gateway, and behind what it is compared with: whatever is asked, it
// answers 100 bytes after a fixed time, 1 ms unless the first argument says otherwise, and counts.
// It prints the port it listens on; GET /count tells how many other requests there were.
//
// It stands on onced's own listener, whose parked requests are a timer each and no thread.
#include <httplib.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "server/wire/listener.h"

namespace onced::bench {
namespace {

struct Begun : wire::Kept {};

int Main(std::chrono::milliseconds time) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::atomic<uint64_t> count{0};
  wire::ListenerOptions options;
  options.blocks = [](const wire::Request&) { return false; };
  options.is_durable = [](uint64_t) { return true; };
  options.when_durable = [](uint64_t, const std::function<void()>& pass) { pass(); };
  options.handler = [&](httplib::Response& response, wire::Exchange& exchange) {
    response.status = 200;
    if (exchange.request().target == "/count") {
      response.body = std::to_string(count.load());
      return;
    }
    if (exchange.kept == nullptr && time.count() > 0 && exchange.may_park()) {
      exchange.kept = std::make_unique<Begun>();
      exchange.Park(time);
      return;
    }
    count.fetch_add(1, std::memory_order_relaxed);
    response.headers.emplace("Content-Type", "application/octet-stream");
    response.body = std::string(100, 'x');
  };
  Result<std::unique_ptr<wire::Listener>> listener = wire::Listener::Start(std::move(options));
  if (!listener.ok()) {
    std::fprintf(stderr, "timed_service: %s\n", listener.status().message().c_str());
    return 1;
  }
  std::printf("listening on 127.0.0.1:%u\n", (*listener)->port());
  std::fflush(stdout);
  int number = 0;
  sigwait(&signals, &number);
  (*listener)->Stop(std::chrono::seconds(1));
  return 0;
}

}  // namespace
}  // namespace onced::bench

int main(int argc, char** argv) {
  return onced::bench::Main(std::chrono::milliseconds(argc > 1 ? std::atoi(argv[1]) : 1));
}

// SPDX-License-Identifier: MIT
#include "bench/crowd.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string_view>
#include <vector>

#include "bench/child.h"
#include "bench/loopback.h"

namespace onced::bench {
namespace {

constexpr int kPatienceMs = 10'000;

class Sockets {
 public:
  Sockets(int port, int clients) {
    for (int i = 0; i < clients; ++i) {
      const int fd = ConnectTo(port);
      if (fd < 0) Fail("a client of the crowd cannot connect");
      all_.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
  }
  ~Sockets() {
    for (const pollfd& one : all_) close(one.fd);
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  void SendAll(const std::string& request) {
    for (const pollfd& one : all_) {
      const ssize_t sent = send(one.fd, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent != static_cast<ssize_t>(request.size())) Fail("a client of the crowd cannot send");
    }
  }
  // How many have been answered since the last call; each once.
  size_t Answered() {
    if (poll(all_.data(), all_.size(), kPatienceMs) <= 0) Fail("the crowd is not answered");
    size_t count = 0;
    for (pollfd& one : all_) {
      if (one.revents == 0) continue;
      std::array<char, 4096> answer;
      const ssize_t size = recv(one.fd, answer.data(), answer.size(), 0);
      const std::string_view head(answer.data(), static_cast<size_t>(size < 0 ? 0 : size));
      if (!head.starts_with("HTTP/1.1 200 ")) Fail("the crowd is told: " + std::string(head));
      one.events = 0;
      ++count;
    }
    return count;
  }

 private:
  std::vector<pollfd> all_;
};

}  // namespace

CrowdTimes AskAtOnce(int port, int clients, const std::string& request) {
  using Clock = std::chrono::steady_clock;
  Sockets sockets(port, clients);
  sockets.SendAll(request);
  const Clock::time_point sent = Clock::now();
  CrowdTimes times;
  for (size_t answered = 0; answered < static_cast<size_t>(clients);) {
    answered += sockets.Answered();
    times.last_ms = std::chrono::duration<double, std::milli>(Clock::now() - sent).count();
    if (times.first_ms == 0) times.first_ms = times.last_ms;
  }
  return times;
}

}  // namespace onced::bench

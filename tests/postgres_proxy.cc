// SPDX-License-Identifier: MIT
#include "tests/postgres_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace onced {
namespace {

constexpr int kLookMs = 20;  // how often a thread looks whether it is to stop

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool SendAll(int to, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

// "" at the end.
std::string ReceiveSome(int from) {
  std::string bytes(size_t{1} << 16, '\0');
  const ssize_t n = recv(from, bytes.data(), bytes.size(), 0);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

}  // namespace

PostgresProxy::PostgresProxy(uint16_t to_port)
    : to_port_(to_port), listening_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listening_, any, size) != 0 || listen(listening_, 64) != 0 ||
      getsockname(listening_, any, &size) != 0) {
    throw std::runtime_error("proxy: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

PostgresProxy::~PostgresProxy() {
  stop_ = true;
  acceptor_.join();
  std::vector<std::thread> carriers;
  {
    MutexLock lock(mutex_);
    carriers.swap(carriers_);
  }
  for (std::thread& carrier : carriers) carrier.join();
  close(listening_);
}

void PostgresProxy::CutNext(Cut when, const std::string& words, const std::string& state) {
  MutexLock lock(mutex_);
  state_ = state;
  armed_ = true;
  when_ = when;
  words_ = words;
}

void PostgresProxy::Repair() {
  stays_cut_ = false;
  broken_ = false;
}

void PostgresProxy::FallSilent() {
  silent_ = true;
  while (connected_ > 0) poll(nullptr, 0, 1);
}

std::optional<PostgresProxy::Cut> PostgresProxy::CutOf(const std::string& sent) {
  MutexLock lock(mutex_);
  if (!armed_ || sent.find(words_) == std::string::npos) return std::nullopt;
  armed_ = false;
  return when_;
}

std::string PostgresProxy::Refusal() {
  MutexLock lock(mutex_);
  std::string fields = std::string("SERROR") + '\0' + "VERROR" + '\0' + "C" + state_ + '\0' +
                       "Mrefused by the proxy" + '\0' + '\0';
  const auto length = static_cast<uint32_t>(fields.size() + 4);
  std::string told = "E";
  for (int shift = 24; shift >= 0; shift -= 8) told += static_cast<char>(length >> shift);
  return told + fields + std::string("Z\0\0\0\5I", 6);
}

void PostgresProxy::Accept() {
  while (!stop_) {
    pollfd ready{.fd = listening_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kLookMs) <= 0) continue;
    const int client = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    MutexLock lock(mutex_);
    ++connected_;
    carriers_.emplace_back([this, client] {
      Carry(client);
      close(client);
      --connected_;
    });
  }
}

void PostgresProxy::Carry(int client) {
  if (silent_) {
    ++ignored_;
    // Until it hangs up by itself.
    for (bool there = true; there && !stop_;) {
      pollfd ready{.fd = client, .events = POLLIN, .revents = 0};
      there = poll(&ready, 1, kLookMs) <= 0 || !ReceiveSome(client).empty();
    }
    return;
  }
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(to_port_);
  bool open =
      !broken_ && connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  Cut at_answer = Cut::kLetThrough;
  while (open && !stop_ && !broken_ && !silent_) {
    pollfd ready[2] = {{.fd = client, .events = POLLIN, .revents = 0},
                       {.fd = server, .events = POLLIN, .revents = 0}};
    if (poll(ready, 2, kLookMs) <= 0) continue;
    if (ready[1].revents != 0) {
      std::string said = ReceiveSome(server);
      if (at_answer == Cut::kBeforeItIsAnswered) {
        if (stays_cut_) broken_ = true;
        ++cuts_;
        break;
      }
      if (at_answer == Cut::kRefusedWhenDone) {
        said = Refusal();
        at_answer = Cut::kLetThrough;
        ++cuts_;
      }
      open = !said.empty() && SendAll(client, said);
    }
    if (open && ready[0].revents != 0) {
      const std::string sent = ReceiveSome(client);
      const std::optional<Cut> now = CutOf(sent);
      if (now == Cut::kBeforeItIsSent) {
        if (stays_cut_) broken_ = true;
        ++cuts_;
        break;
      }
      if (now == Cut::kRefused) {
        ++cuts_;
        open = SendAll(client, Refusal());
        continue;
      }
      if (now == Cut::kLetThrough) ++cuts_;
      if (now.has_value()) at_answer = *now;
      open = !sent.empty() && SendAll(server, sent);
    }
  }
  close(server);
}

}  // namespace onced

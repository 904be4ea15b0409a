// SPDX-License-Identifier: MIT
#include "tests/fuzz/stranger.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "tests/fuzz/promise.h"

namespace onced {
namespace {

constexpr std::chrono::milliseconds kPatience{20'000};

}  // namespace

// libFuzzer's own alarm may interrupt a connect, which then goes on by itself.
Stranger::Stranger(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  int error = 0;
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) error = errno;
  if (error == EINTR) {
    Wait(POLLOUT, "the port is open");
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  Promise(error == 0, "the port is open", std::strerror(error));
  const int at_once = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
}

Stranger::~Stranger() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd_);
}

void Stranger::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    if (sent > 0 || errno == EINTR) continue;
    if (errno != EAGAIN) return;  // it has ended; what it said is still to be read
    Wait(ended_ ? POLLOUT : POLLIN | POLLOUT, "the bytes are taken in time");
    ReadSome();
  }
}

void Stranger::FinishSending() { shutdown(fd_, SHUT_WR); }

void Stranger::ReadUpTo(size_t bytes) {
  while (!ended_ && seen_.size() < bytes) {
    Wait(POLLIN, "the connection ends in time");
    ReadSome();
  }
}

void Stranger::ReadToEnd() { ReadUpTo(SIZE_MAX); }

void Stranger::Wait(short events, const char* what) {
  pollfd wanted{.fd = fd_, .events = events, .revents = 0};
  // libFuzzer's own alarm may interrupt it, more often than this patience lasts.
  const auto until = std::chrono::steady_clock::now() + kPatience;
  int ready = 0;
  do {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    ready = poll(&wanted, 1, std::max(0, static_cast<int>(left.count())));
  } while (ready < 0 && errno == EINTR);
  Promise(ready == 1, what, seen_.substr(0, 2'000));
}

// What is here, if there is any.
void Stranger::ReadSome() {
  std::array<char, 64 * 1024> buffer;
  const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  ended_ = size <= 0;
  reset_ = size < 0;
  if (size > 0) seen_.append(buffer.data(), static_cast<size_t>(size));
}

}  // namespace onced

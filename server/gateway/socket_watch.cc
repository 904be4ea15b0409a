// SPDX-License-Identifier: MIT
#include "server/gateway/socket_watch.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "engine/check.h"

namespace onced {
namespace {

constexpr int kEventsAtOnce = 256;

// libcurl looks at a kept connection before it takes it: at its end it gives it up.
void Spoil(int socket) {
  shutdown(socket, SHUT_RDWR);
  std::array<char, 4096> dropped;
  for (int i = 0; i < 64; ++i) {
    if (recv(socket, dropped.data(), dropped.size(), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

SocketWatch::SocketWatch() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { ONCED_CHECK(epoll_ >= 0); }

SocketWatch::~SocketWatch() { close(epoll_); }

SocketWatch::Watched& SocketWatch::Of(int socket) {
  const auto index = static_cast<size_t>(socket);
  if (index >= sockets_.size()) sockets_.resize(index + 64);
  return sockets_[index];
}

void SocketWatch::Opened(int socket) { Of(socket) = {.closing_is_told = true}; }

void SocketWatch::Closing(int socket) {
  Watched& one = Of(socket);
  Watch(socket, one, 0);
  one = {};
}

void SocketWatch::Want(int socket, bool in, bool out) {
  Watched& one = Of(socket);
  one.rests = false;
  one.wanted = (in ? uint32_t{EPOLLIN} : 0) | (out ? uint32_t{EPOLLOUT} : 0);
  // Most sockets can be written to at any time: never watch for that without need.
  const bool covered = (one.watched & one.wanted) == one.wanted;
  const bool noisy = (one.watched & ~one.wanted & EPOLLOUT) != 0;
  if (!covered || noisy || one.wanted == 0) Watch(socket, one, one.wanted);
}

void SocketWatch::Rest(int socket) {
  Watched& one = Of(socket);
  one.rests = one.closing_is_told;
  one.since = std::chrono::steady_clock::now();
  one.wanted = 0;
  Watch(socket, one, one.rests ? uint32_t{EPOLLIN} : 0);
}

void SocketWatch::SpoilIdle(std::chrono::milliseconds rested) {
  const auto before = std::chrono::steady_clock::now() - rested;
  for (size_t socket = 0; socket < sockets_.size(); ++socket) {
    Watched& one = sockets_[socket];
    if (!one.rests || one.since > before) continue;
    one.rests = false;
    Watch(static_cast<int>(socket), one, 0);
    Spoil(static_cast<int>(socket));
  }
}

void SocketWatch::Watch(int socket, Watched& one, uint32_t events) const {
  if (events == one.watched) return;
  const int what = events == 0 ? EPOLL_CTL_DEL : one.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  epoll_event event{.events = events, .data = {.fd = socket}};
  const bool done = epoll_ctl(epoll_, what, socket, &event) == 0;
  // No memory for it: nothing is heard of the socket then, and its transfer ends at its deadline.
  one.watched = done ? events : 0;
}

void SocketWatch::Wait(int timeout_ms, const Stirred& stirred) {
  // To the last: no transfer may begin on a kept connection that has stirred.
  while (WaitOnce(timeout_ms, stirred) == kEventsAtOnce) timeout_ms = 0;
}

int SocketWatch::WaitOnce(int timeout_ms, const Stirred& stirred) {
  std::array<epoll_event, kEventsAtOnce> events;
  const int count = epoll_wait(epoll_, events.data(), kEventsAtOnce, timeout_ms);
  ONCED_CHECK(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const int socket = event.data.fd;
    Watched& one = Of(socket);
    const bool error = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    const uint32_t wanted = error ? one.wanted : event.events & one.wanted;
    if (wanted != 0) {
      stirred(socket, (wanted & EPOLLIN) != 0, (wanted & EPOLLOUT) != 0, error);
    } else {
      if (one.rests) Spoil(socket);
      Watch(socket, one, one.wanted);
    }
  }
  return count;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/operations/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace onced {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kExtensionEvery{5'000};
constexpr char kExtension[] = "EXTEND_TIMEOUT_USEC=30000000\n";

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

uint64_t Number(const std::string& text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

ServiceManager::ServiceManager() : socket_(Variable("NOTIFY_SOCKET")) {
  const uint64_t us = Number(Variable("WATCHDOG_USEC"));
  const std::string whose = Variable("WATCHDOG_PID");
  const bool ours = whose.empty() || Number(whose) == static_cast<uint64_t>(getpid());
  if (!socket_.empty() && us > 0 && ours) {
    watchdog_ = std::max(milliseconds(us / 2'000), milliseconds(1));
  }
}

void ServiceManager::Tell(const std::string& state) const {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof to.sun_path) return;
  std::memcpy(to.sun_path, socket_.data(), socket_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // an abstract one (unix(7))
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  (void)sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to),
               length);
  close(fd);
}

Extension::Extension(const ServiceManager* manager, std::string status, milliseconds most)
    : manager_(*manager),
      status_(std::move(status)),
      until_(std::chrono::steady_clock::now() + most),
      thread_([this] { Run(); }) {}

Extension::~Extension() {
  over_.Say();
  thread_.join();
}

void Extension::Run() {
  const std::string state = kExtension + ("STATUS=" + status_);
  do {
    manager_.Tell(state);
  } while (!over_.Await(kExtensionEvery) && std::chrono::steady_clock::now() < until_);
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "bench/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "bench/child.h"

namespace onced::bench {
namespace {

sockaddr_in AddressOf(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int NewSocket() { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

}  // namespace

int FreePort() {
  constexpr int kTries = 100;
  std::random_device random;
  // Below those that Linux gives to clients: one of them could take the port while its server is
  // restarted, even the client that waits for it, by connecting to itself.
  std::uniform_int_distribution<int> ports(10'000, 32'000);
  for (int tried = 0; tried < kTries; ++tried) {
    const int port = ports(random);
    const int fd = NewSocket();
    const sockaddr_in address = AddressOf(port);
    const bool is_free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    if (is_free) return port;
  }
  Fail("there is no free port");
}

int ConnectTo(int port) {
  const int fd = NewSocket();
  const sockaddr_in address = AddressOf(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace onced::bench

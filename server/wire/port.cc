// SPDX-License-Identifier: MIT
#include "server/wire/port.h"

#include <fcntl.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <utility>

namespace onced::wire {
namespace {

using Tcp = asio::ip::tcp;

constexpr int kBacklog = 4096;

}  // namespace

Result<std::unique_ptr<Port>> Port::Take(const std::string& host, uint16_t number) {
  const std::string where = host + ":" + std::to_string(number);
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) return Status::InvalidArgument("http: not an IP address: " + where);
  const Tcp::endpoint endpoint(address, number);
  asio::io_context context;
  Tcp::acceptor acceptor(context);
  acceptor.open(endpoint.protocol(), error);
  // Only SO_REUSEADDR: with SO_REUSEPORT a second process could take half of the connections.
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  // At once, although nobody accepts yet: only who listens has a port with SO_REUSEADDR for itself.
  if (!error) acceptor.listen(kBacklog, error);
  if (error == asio::error::address_in_use) {
    return Status::Unavailable("listen on " + where + ": the port is in use");
  }
  const uint16_t taken = error ? uint16_t{0} : acceptor.local_endpoint(error).port();
  const int socket = error ? -1 : acceptor.release(error);
  if (error) return Status::IoError("listen on " + where + ": " + error.message());
  return std::unique_ptr<Port>(new Port(socket, taken, address.is_v6()));
}

Port::~Port() {
  if (socket_ >= 0) close(socket_);
}

std::unique_ptr<Port> Port::Share() const {
  const int again = fcntl(socket_, F_DUPFD_CLOEXEC, 0);
  return again < 0 ? nullptr : std::unique_ptr<Port>(new Port(again, number_, is_v6_));
}

int Port::Release() { return std::exchange(socket_, -1); }

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// Transport: how a connection's bytes travel: over TCP as they are, or within TLS. The connection
// reads, writes, finishes and closes the same way over both.
//
// One test of a pointer tells the two apart, so the plain way costs what the bare socket costs: no
// virtual call, no handler that is wrapped in another.
//
// For connections: those of server/wire and the Redis door's. Includes Asio.
// Threads: those of the socket's event loop.
// Invariants: one read and one write under way at most; it lives until both have ended.
#pragma once

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/wire/tls.h"
#include "server/wire/tls_stream.h"

namespace onced::wire {

class Transport {
 public:
  using Socket = asio::ip::tcp::socket;

  // Plain when there are no credentials.
  Transport(Socket socket, const TlsCredentials* credentials) : socket_(std::move(socket)) {
    if (credentials == nullptr) return;
    tls_ = std::make_unique<TlsStream>(&socket_, credentials->context().get());
  }

  Transport(const Transport&) = delete;  // the stream within points at the socket within
  Transport& operator=(const Transport&) = delete;

  Socket& socket() { return socket_; }

  // Whether a Handshake must come before the first read or write.
  bool needs_handshake() const { return tls_ != nullptr; }
  // REQUIRES: needs_handshake()
  void Handshake(TlsStream::Done done) { tls_->Handshake(std::move(done)); }
  // See TlsStream; empty over plain TCP.
  std::string PeerSubject() const { return tls_ == nullptr ? "" : tls_->PeerSubject(); }

  template <typename Done>
  void ReadSome(char* data, size_t size, Done done) {
    if (tls_ != nullptr) return tls_->ReadSome(data, size, std::move(done));
    socket_.async_read_some(asio::buffer(data, size), std::move(done));
  }

  // `bytes` must stay where they are until it is done.
  template <typename Done>
  void WriteAll(std::string_view bytes, Done done) {
    if (tls_ != nullptr) return tls_->WriteAll(bytes, std::move(done));
    asio::async_write(socket_, asio::buffer(bytes), std::move(done));
  }

  // Tells the other side that nothing more comes. It can still be read from, to no purpose but to
  // see its end.
  void FinishSending() {
    if (tls_ != nullptr) tls_->FinishSending();
    asio::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }

  // Ends so that the other side can tell it from an end in good order: with a reset.
  void Abort() {
    asio::error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
  }

  // What is under way ends with an error.
  void Close() {
    if (tls_ != nullptr) tls_->FinishSending();
    asio::error_code ignored;
    socket_.shutdown(Socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

 private:
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;
};

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
// TlsStream: TLS over one accepted socket: OpenSSL reads and writes the descriptor itself, Asio
// says when it can.
//
// asio::ssl::stream is not used: it keeps 68 KiB of buffers a connection for as long as it lives,
// copies every byte twice more, and can say goodbye only in an operation that then waits for the
// other side's.
//
// Private to server/wire: includes Asio.
// Threads: those of the socket's event loop. SIGPIPE must be ignored: OpenSSL writes by write().
// Invariants: 1. No Done is called before the call that took it has returned. 2. Once the socket is
// closed OpenSSL is not called any more: its descriptor may be another's by then.
#pragma once

#include <asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace onced::wire {

class TlsStream {
 public:
  // What was done, and how many bytes of it.
  using Done = std::function<void(const asio::error_code& error, size_t size)>;

  TlsStream(asio::ip::tcp::socket* socket, ssl_ctx_st* context);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // REQUIRES of all three: nothing of its kind is under way; this lives until Done was called.
  void Handshake(Done done);
  // Ends with eof only when the other side said goodbye; an end without is an error.
  void ReadSome(char* data, size_t size, Done done);
  void WriteAll(std::string_view bytes, Done done);

  // Says goodbye (close_notify), as far as that can be done at once. Nothing can be written after
  // it; what is read is what comes over the socket, for the eyes of nobody.
  void FinishSending();

  // The subject of the client's verified certificate, as RFC 2253 writes it; empty without one.
  std::string PeerSubject() const;

 private:
  using Wait = asio::ip::tcp::socket::wait_type;
  struct Step {
    std::optional<Wait> wait;  // not done: try again then
    asio::error_code error;
  };

  void TryHandshake(Done done);
  void TryRead(char* data, size_t size, Done done);
  void TryWrite(std::string_view rest, size_t written, Done done);
  Step StepOf(int result);
  template <typename Retry>
  void When(Wait wait, Done done, Retry retry, size_t written = 0);

  asio::ip::tcp::socket* const socket_;
  const std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  bool usable_ = false;  // the handshake is done, and nothing failed since
  bool finished_ = false;
};

}  // namespace onced::wire

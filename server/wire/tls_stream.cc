// SPDX-License-Identifier: MIT
#include "server/wire/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <new>
#include <utility>

namespace onced::wire {

TlsStream::TlsStream(asio::ip::tcp::socket* socket, ssl_ctx_st* context)
    : socket_(socket), ssl_(SSL_new(context), SSL_free) {
  asio::error_code ignored;  // a socket that is gone already fails at its handshake
  socket_->non_blocking(true, ignored);
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), socket_->native_handle()) != 1) {
    throw std::bad_alloc();
  }
}

TlsStream::~TlsStream() = default;

// `written` is what has been done by then, should it come to nothing.
template <typename Retry>
void TlsStream::When(Wait wait, Done done, Retry retry, size_t written) {
  socket_->async_wait(wait, [this, done = std::move(done), retry = std::move(retry),
                             written](asio::error_code error) mutable {
    if (!error && !socket_->is_open()) error = asio::error::operation_aborted;
    if (error) return done(error, written);
    retry(std::move(done));
  });
}

TlsStream::Step TlsStream::StepOf(int result) {
  if (result > 0) return {};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {.wait = Wait::wait_read};
    case SSL_ERROR_WANT_WRITE:
      return {.wait = Wait::wait_write};
    case SSL_ERROR_ZERO_RETURN:
      return {.error = asio::error::eof};
    default:  // what it is is the other side's business: it has been sent an alert
      usable_ = false;
      return {.error = asio::error::connection_aborted};
  }
}

void TlsStream::Handshake(Done done) {
  When(Wait::wait_read, std::move(done), [this](Done d) { TryHandshake(std::move(d)); });
}

void TlsStream::TryHandshake(Done done) {
  ERR_clear_error();
  const Step step = StepOf(SSL_accept(ssl_.get()));
  if (step.wait.has_value()) {
    return When(*step.wait, std::move(done), [this](Done d) { TryHandshake(std::move(d)); });
  }
  usable_ = !step.error;
  done(step.error, 0);
}

void TlsStream::ReadSome(char* data, size_t size, Done done) {
  if (SSL_has_pending(ssl_.get()) == 0) {
    return When(Wait::wait_read, std::move(done),
                [this, data, size](Done d) { TryRead(data, size, std::move(d)); });
  }
  asio::post(socket_->get_executor(), [this, data, size, done = std::move(done)]() mutable {
    TryRead(data, size, std::move(done));
  });
}

void TlsStream::TryRead(char* data, size_t size, Done done) {
  if (!socket_->is_open()) return done(asio::error::operation_aborted, 0);
  if (finished_) {
    asio::error_code error;
    const size_t got = socket_->read_some(asio::buffer(data, size), error);
    if (error != asio::error::would_block) return done(error, got);
    return When(Wait::wait_read, std::move(done),
                [this, data, size](Done d) { TryRead(data, size, std::move(d)); });
  }
  ERR_clear_error();
  size_t got = 0;
  const Step step = StepOf(SSL_read_ex(ssl_.get(), data, size, &got));
  if (!step.wait.has_value()) return done(step.error, got);
  When(*step.wait, std::move(done),
       [this, data, size](Done d) { TryRead(data, size, std::move(d)); });
}

void TlsStream::WriteAll(std::string_view bytes, Done done) {
  asio::post(socket_->get_executor(), [this, bytes, done = std::move(done)]() mutable {
    TryWrite(bytes, 0, std::move(done));
  });
}

void TlsStream::TryWrite(std::string_view rest, size_t written, Done done) {
  if (!socket_->is_open()) return done(asio::error::operation_aborted, written);
  while (!rest.empty()) {
    ERR_clear_error();
    size_t taken = 0;
    const Step step = StepOf(SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &taken));
    if (step.wait.has_value()) {
      return When(
          *step.wait, std::move(done),
          [this, rest, written](Done d) { TryWrite(rest, written, std::move(d)); }, written);
    }
    if (step.error) return done(step.error, written);
    rest.remove_prefix(taken);
    written += taken;
  }
  done({}, written);
}

void TlsStream::FinishSending() {
  finished_ = true;
  if (!std::exchange(usable_, false)) return;
  ERR_clear_error();
  (void)SSL_shutdown(ssl_.get());
}

std::string TlsStream::PeerSubject() const {
  if (SSL_get_verify_mode(ssl_.get()) == SSL_VERIFY_NONE) return "";
  if (SSL_get_verify_result(ssl_.get()) != X509_V_OK) return "";
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      SSL_get1_peer_certificate(ssl_.get()), X509_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  if (certificate == nullptr || out == nullptr) return "";
  // Half a name could be another's.
  if (X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253) <
      0) {
    return "";
  }
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size <= 0 ? "" : std::string(text, static_cast<size_t>(size));
}

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
#include "tests/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/socket.h>

namespace onced {
namespace {

std::string LastError() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "the connection ended" : reason;
}

}  // namespace

TlsClient::TlsClient(uint16_t port, const TlsClientOptions& options) : Client(port) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes by write()
  const timeval bound{.tv_sec = kPatience.count(), .tv_usec = 0};
  setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX* const c = context.get();
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
  bool good = SSL_CTX_load_verify_locations(c, options.authority.c_str(), nullptr) == 1;
  if (!options.certificate.empty()) {
    good = good && SSL_CTX_use_certificate_chain_file(c, options.certificate.c_str()) == 1 &&
           SSL_CTX_use_PrivateKey_file(c, options.key.c_str(), SSL_FILETYPE_PEM) == 1;
  }
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(c, options.version);
    SSL_CTX_set_max_proto_version(c, options.version);
  }
  const auto* offers = reinterpret_cast<const unsigned char*>(options.offers.data());
  SSL_CTX_set_alpn_protos(c, offers, static_cast<unsigned>(options.offers.size()));
  ssl_ = std::shared_ptr<SSL>(SSL_new(c), SSL_free);
  SSL_set_fd(ssl_.get(), fd());
  ERR_clear_error();
  if (!good || SSL_connect(ssl_.get()) != 1) refused_ = LastError();
}

TlsClient::~TlsClient() = default;

std::string TlsClient::ServerName() const {
  const std::shared_ptr<X509> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
  if (certificate == nullptr) return "";
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                            sizeof name);
  return name;
}

bool TlsClient::Send(std::string_view bytes) {
  ERR_clear_error();
  size_t written = 0;
  return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) == 1;
}

void TlsClient::SayGoodbye() { SSL_shutdown(ssl_.get()); }

bool TlsClient::ReadSome(std::chrono::steady_clock::time_point until) {
  if (SSL_pending(ssl_.get()) == 0 && !WaitForInput(until)) {
    errno = EAGAIN;
    return false;
  }
  char buffer[16 * 1024];
  ERR_clear_error();
  errno = 0;
  const int size = SSL_read(ssl_.get(), buffer, sizeof buffer);
  if (size > 0) {
    Append({buffer, static_cast<size_t>(size)});
    return true;
  }
  const bool goodbye = SSL_get_error(ssl_.get(), size) == SSL_ERROR_ZERO_RETURN;
  errno = goodbye ? 0 : ECONNRESET;
  return false;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/wire/tls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

#include "server/access/credential_file.h"

namespace onced::wire {
namespace {

using Context = std::shared_ptr<SSL_CTX>;

constexpr char kCiphersOfTls12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr int kClientChainDepth = 3;
constexpr size_t kFileBytesMax = 1'024 * 1'024;
constexpr unsigned char kSessionContext[] = "onced";
constexpr unsigned char kAlpn[] = "\x08http/1.1";

// What OpenSSL has against it, and nothing of what it read.
std::string Reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "it cannot be used" : reason;
  ERR_clear_error();
  return text;
}

Status Unusable(const char* flag, const std::string& file, const std::string& why) {
  return Status::InvalidArgument(std::string(flag) + " " + file + ": " + why);
}

// Never asks for a passphrase: the library would, on the terminal.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

// A client that offers names of protocols must know ours; one that offers none is taken at its
// word.
int ChooseHttp(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
               const unsigned char* offered, unsigned int offered_size, void* /*data*/) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kAlpn, sizeof kAlpn - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// The policy. False only when the library was built without what it needs.
bool ApplyPolicy(SSL_CTX* context) {
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  // No resumption at all: nothing to rotate, nothing to steal, no early data to be replayed.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(context, 0);
  // A write may be taken up again from elsewhere in memory and end after any record; an idle
  // connection keeps no record buffers (32 KiB of them, times ten thousand).
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);  // one system call a record and not two
  SSL_CTX_set_default_passwd_cb(context, NoPassphrase);
  SSL_CTX_set_alpn_select_cb(context, ChooseHttp, nullptr);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphersOfTls12) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1 &&
         SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext) == 1;
}

using Pem = std::unique_ptr<BIO, decltype(&BIO_free)>;
Pem ReadFrom(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

// All that are in the file, at least one.
Result<std::vector<Certificate>> ReadCertificates(const char* flag, const std::string& file) {
  const Result<std::string> text = ReadCredentialFile(file, Readers::kAnybody, kFileBytesMax);
  if (!text.ok()) return Unusable(flag, file, text.status().message());
  const Pem in = ReadFrom(*text);
  std::vector<Certificate> all;
  while (X509* one = PEM_read_bio_X509_AUX(in.get(), nullptr, NoPassphrase, nullptr)) {
    all.emplace_back(one, X509_free);
  }
  // That there are no more is an error to the library as well.
  if (all.empty() || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    const char* what = all.empty() ? "no certificate in PEM (" : "a certificate in it is damaged (";
    return Unusable(flag, file, what + Reason() + ")");
  }
  ERR_clear_error();
  return all;
}

Status UseCertificate(SSL_CTX* context, const std::string& file) {
  Result<std::vector<Certificate>> chain = ReadCertificates("--tls-cert", file);
  if (!chain.ok()) return chain.status();
  bool used = SSL_CTX_use_certificate(context, chain->front().get()) == 1;
  for (size_t i = 1; used && i < chain->size(); ++i) {
    used = SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) == 1;
  }
  return used ? Status::Ok() : Unusable("--tls-cert", file, Reason());
}

Status UseKey(SSL_CTX* context, const std::string& file) {
  Result<std::string> text = ReadCredentialFile(file, Readers::kNobody, kFileBytesMax);
  if (!text.ok()) return Unusable("--tls-key", file, text.status().message());
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(ReadFrom(*text).get(), nullptr, NoPassphrase, nullptr),
      EVP_PKEY_free);
  OPENSSL_cleanse(text->data(), text->size());
  if (key == nullptr) {
    return Unusable("--tls-key", file,
                    "no private key in PEM without a passphrase (" + Reason() + ")");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Unusable("--tls-key", file, "it does not fit --tls-cert (" + Reason() + ")");
  }
  return Status::Ok();
}

Status AskClients(SSL_CTX* context, const std::string& file) {
  const Result<std::vector<Certificate>> authorities = ReadCertificates("--tls-client-ca", file);
  if (!authorities.ok()) return authorities.status();
  for (const Certificate& one : *authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) != 1 ||
        SSL_CTX_add_client_CA(context, one.get()) != 1) {
      return Unusable("--tls-client-ca", file, Reason());
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, kClientChainDepth);
  return Status::Ok();
}

Result<Context> MakeContext(const TlsFiles& files) {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr || !ApplyPolicy(context.get())) {
    return Status::InvalidArgument("--tls-cert: this OpenSSL cannot serve TLS: " + Reason());
  }
  ONCED_RETURN_IF_ERROR(UseCertificate(context.get(), files.certificate));
  ONCED_RETURN_IF_ERROR(UseKey(context.get(), files.key));
  if (!files.client_ca.empty()) {
    ONCED_RETURN_IF_ERROR(AskClients(context.get(), files.client_ca));
  }
  return context;
}

}  // namespace

TlsCredentials::TlsCredentials(TlsFiles files, Context context)
    : files_(std::move(files)), context_(std::move(context)) {}

Result<std::unique_ptr<TlsCredentials>> TlsCredentials::Load(TlsFiles files) {
  Result<Context> context = MakeContext(files);
  if (!context.ok()) return context.status();
  return std::unique_ptr<TlsCredentials>(new TlsCredentials(std::move(files), std::move(*context)));
}

Status TlsCredentials::Reload() {
  Result<Context> context = MakeContext(files_);
  if (!context.ok()) return context.status();
  MutexLock lock(mutex_);
  context_ = std::move(*context);
  return Status::Ok();
}

Context TlsCredentials::context() const {
  MutexLock lock(mutex_);
  return context_;
}

}  // namespace onced::wire

// SPDX-License-Identifier: MIT
#include "server/wire/tls.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

namespace onced::wire {
namespace {

using Context = std::shared_ptr<SSL_CTX>;

constexpr char kCiphersOfTls12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr int kClientChainDepth = 3;
constexpr size_t kKeyFileBytesMax = 64 * 1024;
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

// The text of the key's file, looked at and read through one descriptor, so that what was judged is
// what is used. The caller wipes it.
Status ReadKeyFile(const std::string& file, std::string* text) {
  const auto close_file = [](std::FILE* f) { std::fclose(f); };
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Unusable("--tls-key", file, std::strerror(errno));
  const std::unique_ptr<std::FILE, decltype(close_file)> owner(fdopen(fd, "r"), close_file);
  struct stat known {};
  if (fstat(fd, &known) != 0) return Unusable("--tls-key", file, std::strerror(errno));
  if (!S_ISREG(known.st_mode)) return Unusable("--tls-key", file, "it is not a regular file");
  if ((known.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", known.st_mode & 07777u);
    return Unusable("--tls-key", file,
                    std::string("its mode is ") + mode + ", so others may use it; chmod 600");
  }
  text->resize(kKeyFileBytesMax);
  text->resize(std::fread(text->data(), 1, text->size(), owner.get()));
  return Status::Ok();
}

Status UseKey(SSL_CTX* context, const std::string& file) {
  std::string text;
  ONCED_RETURN_IF_ERROR(ReadKeyFile(file, &text));
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(in.get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  OPENSSL_cleanse(text.data(), text.size());
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
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return Unusable("--tls-client-ca", file, "no certificates in PEM (" + Reason() + ")");
  }
  SSL_CTX_set_client_CA_list(context, names);
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
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    return Unusable("--tls-cert", files.certificate, "no certificate in PEM (" + Reason() + ")");
  }
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

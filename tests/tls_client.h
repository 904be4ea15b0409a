// SPDX-License-Identifier: MIT
// TlsClient: a Client that speaks through OpenSSL's library, for what its command line cannot do:
// to send exactly these bytes, to hang up without a goodbye, to ask for a renegotiation.
//
// Threads: one at a time, as a Client.
// Invariants: it believes only the authority it was told of. Every wait has a bound (kPatience).
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "tests/program.h"

namespace onced {

struct TlsClientOptions {
  std::string authority;         // the file of whom it believes
  std::string certificate = "";  // of its own, if any
  std::string key = "";
  int version = 0;          // TLS1_2_VERSION or TLS1_3_VERSION; 0: the better one
  std::string offers = "";  // ALPN, as on the wire
};

class TlsClient : public Client {
 public:
  TlsClient(uint16_t port, const TlsClientOptions& options);
  ~TlsClient() override;

  // What went wrong with the handshake; "" when nothing did.
  const std::string& refused() const { return refused_; }
  SSL* ssl() const { return ssl_.get(); }
  std::string ServerName() const;  // the common name of the server's certificate

  bool Send(std::string_view bytes) override;
  void SayGoodbye();  // close_notify; what is still due can be read

 private:
  bool ReadSome(std::chrono::steady_clock::time_point until) override;

  std::shared_ptr<SSL> ssl_;
  std::string refused_;
};

}  // namespace onced

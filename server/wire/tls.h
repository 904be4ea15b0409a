// SPDX-License-Identifier: MIT
// TlsCredentials: what a port proves itself with, and whom it asks for a certificate: OpenSSL's
// context, made from files, made again when they change. The policy is one place in tls.cc.
//
// Threads: any.
// Invariants: 1. A context never changes once it is made; Reload makes another, which connections
// accepted later get. 2. Files that do not fit together, or a key that others can read, never
// become a context. 3. No message carries a byte of the key.
#pragma once

#include <memory>
#include <string>

#include "engine/mutex.h"
#include "engine/status.h"

struct ssl_ctx_st;

namespace onced::wire {

struct TlsFiles {
  std::string certificate;  // PEM: the port's own, then the intermediate ones
  std::string key;          // PEM, not encrypted, readable by its owner only
  std::string client_ca;    // PEM; empty: clients are not asked for a certificate
};

class TlsCredentials {
 public:
  // InvalidArgument, naming the flag and the file, when they cannot be used.
  static Result<std::unique_ptr<TlsCredentials>> Load(TlsFiles files);
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  // Reads the files again. What is there stays when they cannot be used.
  Status Reload();

  std::shared_ptr<ssl_ctx_st> context() const;

 private:
  TlsCredentials(TlsFiles files, std::shared_ptr<ssl_ctx_st> context);

  const TlsFiles files_;
  mutable Mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_ GUARDED_BY(mutex_);
};

}  // namespace onced::wire

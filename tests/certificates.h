// SPDX-License-Identifier: MIT
// CertificateFolder: keys and certificates for a test of TLS, made by libcrypto when the test asks
// for them and gone with their folder.
//
// Threads: one.
// Invariants: every key is new; none is ever used outside of its test.
#pragma once

#include <openssl/types.h>

#include <map>
#include <memory>
#include <string>

#include "tests/fixtures.h"

namespace onced {

struct CertificateSpec {
  std::string issuer = "";         // the name of one made before; its own when empty
  bool authority = false;          // whether it may sign others
  std::string organization = "";   // O=, beside CN=name
  long valid_for_s = 24L * 3'600;  // from an hour ago on; negative: it has ended
};

class CertificateFolder {
 public:
  CertificateFolder();
  ~CertificateFolder();

  // Writes NAME.pem and NAME.key (mode 0600), over what was there. It is for 127.0.0.1 and
  // localhost.
  void Make(const std::string& name, const CertificateSpec& spec = {});
  // Puts NAME.key under a passphrase.
  void MakeSecretKey(const std::string& name, const std::string& passphrase) const;
  void Write(const std::string& file, const std::string& text) const;

  std::string certificate(const std::string& name) const { return folder_.path(name + ".pem"); }
  std::string key(const std::string& name) const { return folder_.path(name + ".key"); }
  std::string path(const std::string& file) const { return folder_.path(file); }

 private:
  struct Pair {
    std::shared_ptr<EVP_PKEY> key;
    std::shared_ptr<X509> certificate;
  };
  TempFolder folder_;
  std::map<std::string, Pair> made_;
};

}  // namespace onced

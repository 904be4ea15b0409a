// SPDX-License-Identifier: MIT
#include "tests/certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>

namespace onced {
namespace {

void AddToName(X509_NAME* name, const char* field, const std::string& value) {
  if (value.empty()) return;
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, static_cast<int>(value.size()), -1,
                             0);
}

void AddExtension(X509* certificate, int id, const char* value) {
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, id, value), X509_EXTENSION_free);
  if (extension == nullptr) throw std::runtime_error(std::string("extension ") + value);
  X509_add_ext(certificate, extension.get(), -1);
}

std::string PemOf(const std::function<int(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  if (write(out.get()) != 1) throw std::runtime_error("PEM");
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

}  // namespace

CertificateFolder::CertificateFolder() { Make("ca", {.authority = true}); }
CertificateFolder::~CertificateFolder() = default;

void CertificateFolder::Write(const std::string& file, const std::string& text) const {
  std::ofstream(folder_.path(file), std::ios::binary) << text;
  namespace fs = std::filesystem;
  fs::permissions(folder_.path(file), fs::perms::owner_read | fs::perms::owner_write);
}

void CertificateFolder::Make(const std::string& name, const CertificateSpec& spec) {
  Pair pair{.key = {EVP_EC_gen("P-256"), EVP_PKEY_free}, .certificate = {X509_new(), X509_free}};
  X509* const certificate = pair.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), static_cast<long>(made_.size() + 1));
  const long until_s = spec.valid_for_s;
  X509_gmtime_adj(X509_getm_notBefore(certificate), std::min(-3'600L, until_s - 3'600));
  X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
  X509_set_pubkey(certificate, pair.key.get());
  AddToName(X509_get_subject_name(certificate), "O", spec.organization);
  AddToName(X509_get_subject_name(certificate), "CN", name);
  const Pair& issuer = spec.issuer.empty() ? pair : made_.at(spec.issuer);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate.get()));
  AddExtension(certificate, NID_basic_constraints,
               spec.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  AddExtension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  if (X509_sign(certificate, issuer.key.get(), EVP_sha256()) == 0) throw std::runtime_error("sign");
  Write(name + ".pem", PemOf([&](BIO* out) { return PEM_write_bio_X509(out, certificate); }));
  Write(name + ".key", PemOf([&](BIO* out) {
          return PEM_write_bio_PrivateKey(out, pair.key.get(), nullptr, nullptr, 0, nullptr,
                                          nullptr);
        }));
  made_[name] = std::move(pair);
}

void CertificateFolder::MakeSecretKey(const std::string& name,
                                      const std::string& passphrase) const {
  EVP_PKEY* const key = made_.at(name).key.get();
  const auto* phrase = reinterpret_cast<const unsigned char*>(passphrase.data());
  Write(name + ".key", PemOf([&](BIO* out) {
          return PEM_write_bio_PrivateKey(out, key, EVP_aes_256_cbc(), phrase,
                                          static_cast<int>(passphrase.size()), nullptr, nullptr);
        }));
}

}  // namespace onced

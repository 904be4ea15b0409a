// SPDX-License-Identifier: MIT
// TokenBook: the token file, read and checked: which token, and which subject of a client
// certificate, is which caller. It knows no door: HTTP, or any other, brings the token as it was
// shown.
//
//   [[tenant]]
//   name = "shop"                         # 1..64 printable characters
//   role = "app"                          # app (the default) or admin
//   tokens = ["<SHA-256, 64 hex digits>"] # two at most: the old one and the new one
//   keys_max = 1000000                    # optional: how many live keys it may have
//   certificate_subjects = ["CN=shop"]    # optional: verified by the door, as RFC 2253 writes them
//
// Threads: immutable once made; callers found in it live as long as it does.
// Invariants: 1. No token is in it, only digests. 2. What a lookup takes does not tell how much of
// a digest was right: the whole digest is compared in constant time, a dummy when there is none.
// 3. An error names file, line, column and field, and repeats no value.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/status.h"
#include "server/access/caller.h"
#include "server/access/token.h"

namespace onced {

class TokenBook {
 public:
  // `file`: its name, for messages. InvalidArgument when anything about it is not as it should be.
  static Result<std::shared_ptr<const TokenBook>> Parse(std::string_view text,
                                                        const std::string& file);
  // Reads it first. A file that others may read or write is refused: who can write it can let
  // anybody in, and who can read it learns who the tenants are, and could guess a token that
  // somebody had chosen by hand. The group may read it, as services are given their secrets.
  static Result<std::shared_ptr<const TokenBook>> Load(const std::string& path);

  // nullptr: nobody's.
  const Caller* OfToken(std::string_view token) const { return OfDigest(DigestOf(token)); }
  const Caller* OfDigest(const TokenDigest& digest) const;
  const Caller* OfCertificate(std::string_view subject) const;

  const std::vector<std::unique_ptr<Caller>>& callers() const { return callers_; }
  // Whether anybody is to come in by a certificate.
  bool has_subjects() const { return !subjects_.empty(); }

  // What to add to a token file for a new token of `caller`.
  static std::string Entry(const Caller& caller, const TokenDigest& digest);

 private:
  friend class TokenFile;
  struct Token {
    TokenDigest digest;
    const Caller* caller;
  };
  TokenBook() = default;

  std::vector<std::unique_ptr<Caller>> callers_;
  std::unordered_map<uint64_t, Token> tokens_;  // by the first bytes of the digest
  std::unordered_map<std::string, const Caller*> subjects_;
};

}  // namespace onced

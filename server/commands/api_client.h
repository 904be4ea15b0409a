// SPDX-License-Identifier: MIT
// ApiClient: asks a onced that runs, by its API, for the commands of the command line.
//
// Threads: use from one.
// Invariants: the token goes to the server that was named and nowhere else: redirects are not
// followed. It is read from a file, never from the command line, where others could see it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "engine/status.h"

namespace onced {

inline constexpr std::string_view kServerUnsaid = "http://127.0.0.1:6623";

struct ServerAddress {
  std::string url;         // empty: $ONCED_SERVER, or else kServerUnsaid
  std::string token_file;  // empty: $ONCED_TOKEN_FILE, or else none is shown
  std::string ca_file;     // empty: the system's authorities
};

class ApiClient {
 public:
  struct Reply {
    int status = 0;
    std::string body;
  };

  // InvalidArgument: the token's file cannot be used, or has no token.
  static Result<std::unique_ptr<ApiClient>> Make(const ServerAddress& server);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  // `target`: from the first '/'. An empty `json` is no body. Unavailable when no whole answer
  // came.
  // `patience` 0: however long it takes. `wants_json`: where there is a choice, for people else.
  Result<Reply> Ask(const char* method, const std::string& target, const std::string& json,
                    std::chrono::seconds patience, bool wants_json = false);

  // Percent-encoded, for a segment or a value of a target.
  static std::string Escaped(std::string_view text);
  const std::string& url() const;

 private:
  struct Impl;
  explicit ApiClient(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace onced

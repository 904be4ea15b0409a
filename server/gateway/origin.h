// SPDX-License-Identifier: MIT
// Origin: a service behind the gateway: where it is and how it is reached. Fixed by configuration.
//
// Threads: a value.
// Invariants: what Parse gives names one host and one port, or one socket, and nothing else: there
// is no user, path, query or fragment in it that could end up in a request.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "engine/status.h"

struct sockaddr;

namespace onced {

struct Origin {
  // InvalidArgument unless `url` is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH, without
  // user, path, query or fragment.
  static Result<Origin> Parse(std::string_view url);

  // Whether the host is written as a link-local address: what a name comes to is seen when it is
  // connected to.
  bool IsWrittenLinkLocal() const;

  // For people: the URL, or the path of the socket.
  std::string Name() const { return unix_socket.empty() ? url : "unix:" + unix_socket; }
  // The same without what tells the two apart; lives as long as this.
  std::string_view Shown() const { return unix_socket.empty() ? url : unix_socket; }

  std::string url;          // scheme, host and port, as given to libcurl
  std::string authority;    // for the Host header: HOST[:PORT]; "localhost" over a unix socket
  std::string unix_socket;  // empty: TCP
  std::string ca_file;      // https: trust these instead of the system's; verification is never off
  bool allow_link_local = false;
  std::chrono::milliseconds connect_timeout{5'000};

  bool operator==(const Origin&) const = default;
};

// Where a cloud keeps the metadata of its instances, and their credentials (RFC 3927, RFC 4291).
bool IsLinkLocal(const sockaddr* address);

}  // namespace onced

// SPDX-License-Identifier: MIT
// RequestHost: runs one validated request through its handler, which fills in cpp-httplib's
// Response, and gives back the bytes of it.
//
// Of the library this type is used and nothing else: its listener, sockets, timeouts and thread
// pool would not be safe, and its process_request took a third of a claim's time to read a request
// that is already read and to write a response that is already there. Head and body of the request
// stay with the Exchange, byte for byte.
//
// Threads: Run from any number of threads.
// Invariants: 1. One handler serves everything; an exception from it becomes a bare 500, and so
// does a status that is none, or not final. 2. Every response says that it must not be stored, nor
// taken for another type than it names, but one that is passed on as it is.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/wire/exchange.h"

namespace httplib {
struct Response;
}  // namespace httplib

namespace onced::wire {

using Handler = std::function<void(httplib::Response& response, Exchange&)>;

// What a handler has answered, ready to be sent.
struct Hosted {
  int status = 0;
  std::string bytes;  // all of it, or all that comes before its stream; empty: there is none yet
  bool last = false;  // the connection closes after it
  std::optional<StreamTerms> stream;
};

class RequestHost {
 public:
  explicit RequestHost(Handler handler);
  RequestHost(const RequestHost&) = delete;
  RequestHost& operator=(const RequestHost&) = delete;

  // `last`: whatever the handler says; it may also turn out that it must be.
  // REQUIRES: the handler puts no CR or LF into a header.
  Hosted Run(Exchange& exchange, bool last) const;

 private:
  const Handler handler_;
};

}  // namespace onced::wire

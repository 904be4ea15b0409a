// SPDX-License-Identifier: MIT
// RequestHost: runs one whole, validated request through its handler, which fills in cpp-httplib's
// Response, and gives back the bytes of it.
//
// Of the library this type is used and nothing else: its listener, sockets, timeouts and thread
// pool would not be safe, and its process_request took a third of a claim's time to read a request
// that is already read and to write a response that is already there. Head and body of the request
// stay with the Exchange, byte for byte.
//
// Threads: Run from any number of threads.
// Invariants: one handler serves everything; an exception from it becomes a bare 500. Every
// response says that it must not be stored, nor taken for another type than it names.
#pragma once

#include <functional>
#include <string>

#include "server/wire/exchange.h"

namespace httplib {
struct Response;
}  // namespace httplib

namespace onced::wire {

using Handler = std::function<void(httplib::Response& response, Exchange&)>;

class RequestHost {
 public:
  explicit RequestHost(Handler handler);
  RequestHost(const RequestHost&) = delete;
  RequestHost& operator=(const RequestHost&) = delete;

  // The response's bytes, with "Connection: close" when `last`. Empty when the handler parked it.
  // REQUIRES: the handler puts no CR or LF into a header.
  std::string Run(Exchange& exchange, bool last) const;

 private:
  const Handler handler_;
};

}  // namespace onced::wire

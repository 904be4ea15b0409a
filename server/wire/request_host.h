// SPDX-License-Identifier: MIT
// RequestHost: runs one whole, validated request through cpp-httplib's request handling and gives
// back the bytes of the response. Its listener, sockets, timeouts and thread pool are never used.
//
// cpp-httplib is told the method and the path, and does what it is good at: it runs the handler and
// writes the response. Head and body stay with the Exchange, byte for byte; the library would
// decode header values, and act on some, by rules of its own.
//
// Threads: Run from any number of threads.
// Invariants: one handler serves everything; an exception from it becomes a bare 500. Every response
// says that it must not be stored, nor taken for another type than it names.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/wire/exchange.h"

namespace httplib {
struct Request;
struct Response;
}  // namespace httplib

namespace onced::wire {

using Handler =
    std::function<void(const httplib::Request& request, httplib::Response& response, Exchange&)>;

class RequestHost {
 public:
  explicit RequestHost(Handler handler);
  ~RequestHost();
  RequestHost(const RequestHost&) = delete;
  RequestHost& operator=(const RequestHost&) = delete;

  // The response's bytes, with "Connection: close" when `last`. Empty when the handler parked it.
  std::string Run(Exchange& exchange, bool last);

 private:
  class Server;
  const std::unique_ptr<Server> server_;
};

}  // namespace onced::wire

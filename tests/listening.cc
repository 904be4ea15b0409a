// SPDX-License-Identifier: MIT
#include "tests/listening.h"

#include <httplib.h>

namespace onced {

void Echo(httplib::Response& response, wire::Exchange& exchange) {
  response.status = 200;
  response.body = exchange.request().target + exchange.request().body;
}

wire::ListenerOptions OptionsFor(ServeFunction serve) {
  wire::ListenerOptions options;
  options.handler = [serve = std::move(serve)](httplib::Response& response,
                                               wire::Exchange& exchange) {
    serve(response, exchange);
  };
  options.blocks = [](const wire::Request& r) { return r.target.starts_with("/blocks"); };
  options.when_durable = [](uint64_t, const std::function<void()>& pass) { pass(); };
  return options;
}
std::unique_ptr<wire::Listener> Listen(wire::ListenerOptions options) {
  return Value(wire::Listener::Start(std::move(options)));
}
std::unique_ptr<wire::Listener> Listen(ServeFunction serve) {
  return Listen(OptionsFor(std::move(serve)));
}

std::string Get(const std::string& target) { return RequestText("GET", target); }

}  // namespace onced

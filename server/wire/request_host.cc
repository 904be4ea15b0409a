// SPDX-License-Identifier: MIT
#include "server/wire/request_host.h"

#include <httplib.h>

#include <utility>

#include "server/wire/response_head.h"

namespace onced::wire {
namespace {

// What an exception says would be there for all the world to read.
void TellOfException(httplib::Response& response) {
  response = httplib::Response();
  SetProblem({.code = "internal_error", .detail = "the request failed; its outcome is unknown"},
             response);
}

// The answer to HEAD has the length of a body that it does not have.
std::string Written(const httplib::Response& response, const Request& request, bool last) {
  HeadTerms terms{.minor_version = request.minor_version, .last = last};
  if (response.status != 204) terms.length = response.body.size();  // RFC 9110 8.6
  const bool bodiless = request.method == "HEAD";
  std::string out = ResponseHead(response, terms, bodiless ? 0 : response.body.size());
  if (!bodiless) out.append(response.body);
  return out;
}

}  // namespace

RequestHost::RequestHost(Handler handler) : handler_(std::move(handler)) {}

std::string RequestHost::Run(Exchange& exchange, bool last) const {
  httplib::Response response;
  try {
    handler_(response, exchange);
  } catch (...) {
    TellOfException(response);
  }
  if (exchange.parked_for().has_value()) return {};
  return Written(response, exchange.request(), last);
}

}  // namespace onced::wire

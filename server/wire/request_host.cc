// SPDX-License-Identifier: MIT
#include "server/wire/request_host.h"

#include <httplib.h>

#include <boost/beast/http/status.hpp>
#include <string_view>
#include <utility>

#include "server/wire/problem.h"

namespace onced::wire {
namespace {

constexpr std::string_view kAlways =
    "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
constexpr size_t kHeadUsual = 512;

// What an exception says would be there for all the world to read.
void TellOfException(httplib::Response& response) {
  const Problem problem{.code = "internal_error",
                        .detail = "the request failed; its outcome is unknown"};
  response = httplib::Response();
  response.status = StatusOf(problem);
  response.headers.emplace("Content-Type", kProblemType);
  response.body = ProblemJson(problem);
}

// The answer to HEAD has the length of a body that it does not have; a client of HTTP/1.0 must be
// told that the connection stays (RFC 9112 C.2.2).
std::string Written(const httplib::Response& response, const Request& request, bool last) {
  namespace http = boost::beast::http;
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string out;
  out.reserve(kHeadUsual + response.body.size());
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(reason.data(), reason.size()).append(kAlways);
  if (last) {
    out.append("Connection: close\r\n");
  } else if (request.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  for (const auto& [name, value] : response.headers) {
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (response.status != 204) {  // RFC 9110 8.6
    out.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  }
  out.append("\r\n");
  if (request.method != "HEAD") out.append(response.body);
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

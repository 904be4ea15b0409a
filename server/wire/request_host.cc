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

bool HasNoBody(const httplib::Response& response, const Exchange& exchange) {
  return exchange.request().method == "HEAD" || response.status == 204 || response.status == 304;
}

// What Content-Length says: to HEAD, the length of a body that is not there.
std::optional<uint64_t> LengthOf(const httplib::Response& response, const Exchange& exchange,
                                 const std::optional<StreamTerms>& stream) {
  if (response.status == 204) return std::nullopt;  // RFC 9110 8.6
  if (HasNoBody(response, exchange)) {
    if (exchange.claimed_length().has_value()) return exchange.claimed_length();
    if (response.status == 304 || (exchange.as_is() && !stream.has_value())) return std::nullopt;
  }
  return stream.has_value() ? stream->length : response.body.size();
}

Hosted Written(const httplib::Response& response, Exchange& exchange, bool last) {
  const Request& request = exchange.request();
  const bool bodiless = HasNoBody(response, exchange);
  Hosted hosted{.status = response.status, .last = last, .stream = exchange.TakeStream()};
  HeadTerms terms{.minor_version = request.minor_version,
                  .as_is = exchange.as_is(),
                  .headers = &exchange.headers(),
                  .request_id = exchange.request_id().text(),
                  .length = LengthOf(response, exchange, hosted.stream)};
  if (hosted.stream.has_value() && bodiless) {
    hosted.stream->pipe->Abandon();
    hosted.stream.reset();
  } else if (hosted.stream.has_value() && !terms.length.has_value()) {
    terms.chunked = hosted.stream->chunked = request.minor_version == 1;
    hosted.last = last || !terms.chunked;
  }
  terms.last = hosted.last;
  const bool whole = !bodiless && !hosted.stream.has_value();
  hosted.bytes = ResponseHead(response, terms, whole ? response.body.size() : 0);
  if (whole) hosted.bytes.append(response.body);
  return hosted;
}

}  // namespace

RequestHost::RequestHost(Handler handler) : handler_(std::move(handler)) {}

Hosted RequestHost::Run(Exchange& exchange, bool last) const {
  httplib::Response response;
  bool failed = false;
  try {
    handler_(response, exchange);
    const bool later = exchange.parked_for().has_value() || exchange.goes_to_pool();
    failed = !later && (response.status < 200 || response.status > 999);
  } catch (...) {
    failed = true;
  }
  if (failed) {
    exchange.ForgetAnswer();
    TellOfException(response);
  }
  if (exchange.parked_for().has_value() || (!failed && exchange.goes_to_pool())) return {};
  const bool body_ended = exchange.body_pipe() == nullptr || exchange.body_pipe()->whole();
  return Written(response, exchange, last || !body_ended);
}

}  // namespace onced::wire

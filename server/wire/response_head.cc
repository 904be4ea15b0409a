// SPDX-License-Identifier: MIT
#include "server/wire/response_head.h"

#include <httplib.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <string_view>

#include "server/wire/field_syntax.h"
#include "server/wire/request_id.h"

namespace onced::wire {
namespace {

constexpr std::string_view kAlways =
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
constexpr size_t kHeadUsual = 512;

// Empty, which is allowed, for a status that nobody has given a name.
std::string_view ReasonOf(int status) {
  namespace http = boost::beast::http;
  const http::status known = http::int_to_status(static_cast<unsigned>(status));
  if (known == http::status::unknown) return {};
  const auto reason = http::obsolete_reason(known);
  return {reason.data(), reason.size()};
}

// RFC 9110 5.5: a value that carries one of these is passed on with spaces in their place.
void AppendValue(std::string_view value, std::string* out) {
  const size_t from = out->size();
  out->append(value);
  std::replace_if(
      out->begin() + static_cast<ptrdiff_t>(from), out->end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
}

}  // namespace

// A client of HTTP/1.0 must be told that the connection stays (RFC 9112 C.2.2).
std::string ResponseHead(const httplib::Response& response, const HeadTerms& terms,
                         size_t body_room) {
  std::string out;
  out.reserve(kHeadUsual + body_room);
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(ReasonOf(response.status)).append("\r\n");
  if (!terms.as_is) out.append(kAlways);
  if (terms.last) {
    out.append("Connection: close\r\n");
  } else if (terms.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  const auto append = [&out](const auto& header) {
    out.append(header.first).append(": ");
    AppendValue(header.second, &out);
    out.append("\r\n");
  };
  if (terms.headers != nullptr) std::for_each(terms.headers->begin(), terms.headers->end(), append);
  std::for_each(response.headers.begin(), response.headers.end(), append);
  const bool named = terms.headers != nullptr &&
                     std::any_of(terms.headers->begin(), terms.headers->end(), [](const auto& one) {
                       return SameName(one.first, kRequestIdHeader);
                     });
  if (!terms.request_id.empty() && !named) {
    out.append(kRequestIdHeader).append(": ").append(terms.request_id).append("\r\n");
  }
  if (terms.chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (terms.length.has_value()) {
    out.append("Content-Length: ").append(std::to_string(*terms.length)).append("\r\n");
  }
  out.append("\r\n");
  return out;
}

void SetProblem(const Problem& problem, httplib::Response& response) {
  response.status = StatusOf(problem);
  response.body = ProblemJson(problem);
  response.headers.emplace("Content-Type", kProblemType);
  response.headers.emplace("Content-Language", "en");
  if (problem.retry_after_s > 0) {
    response.headers.emplace("Retry-After", std::to_string(problem.retry_after_s));
  }
}

std::string LastAnswer(const Problem& problem, std::string_view request_id) {
  httplib::Response response;
  SetProblem(problem, response);
  return ResponseHead(response,
                      {.last = true, .request_id = request_id, .length = response.body.size()},
                      response.body.size()) +
         response.body;
}

}  // namespace onced::wire

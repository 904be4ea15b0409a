// SPDX-License-Identifier: MIT
#include "server/web/credentials.h"

#include <optional>
#include <string_view>
#include <utility>

#include "server/web/loopback_guard.h"

namespace onced {
namespace {

Identity Refused(Answer answer) { return {.refused = std::move(answer)}; }

// What follows the scheme; empty when it is another scheme, or nothing follows.
std::string_view TokenOf(std::string_view authorization) {
  const size_t end = authorization.find(' ');
  if (!wire::SameName(authorization.substr(0, end), "Bearer") || end == std::string_view::npos) {
    return {};
  }
  const size_t token = authorization.find_first_not_of(' ', end);
  return token == std::string_view::npos ? std::string_view() : authorization.substr(token);
}

}  // namespace

Answer Unauthorized(const char* detail) {
  Answer answer = ProblemOf("unauthorized", detail);
  answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

Answer TokenMoved() { return Unauthorized("Authorization: the token has become another tenant's"); }

Identity Identify(const TokenBook& book, const wire::Request& request, const wire::Peer& peer) {
  std::optional<std::string_view> authorization;
  for (const auto& [name, value] : request.headers) {
    if (!wire::SameName(name, "Authorization")) continue;
    if (authorization.has_value()) {
      return Refused(ProblemOf("invalid_request", "Authorization: given more than once"));
    }
    authorization = value;
  }
  const Caller* certified = book.OfCertificate(peer.certificate_subject);
  if (!authorization.has_value()) {
    if (certified == nullptr) return Refused(Unauthorized("Authorization: send a bearer token"));
    // A browser shows a certificate by itself, for any page that asks it to.
    std::optional<Answer> foreign = RefuseForeign(request, PortGuard::kSameOrigin);
    if (foreign.has_value()) return Refused(*std::move(foreign));
    return {.caller = certified};
  }
  const std::string_view token = TokenOf(*authorization);
  const Caller* caller = token.empty() ? nullptr : book.OfToken(token);
  if (caller == nullptr) {
    return Refused(Unauthorized("Authorization: this is not a valid bearer token"));
  }
  if (certified != nullptr && certified != caller) {
    return Refused(ProblemOf("forbidden",
                             "Authorization: the token and the certificate are not the same "
                             "tenant's"));
  }
  return {.caller = caller};
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/gateway/fingerprint.h"

#include <string_view>
#include <vector>

#include "engine/keygen.h"
#include "server/json/canonical_json.h"
#include "server/json/json_pointer.h"

namespace onced {
namespace {

void Add(std::string_view part, std::string* hashed) {
  hashed->append(std::to_string(part.size())).append(":").append(part);
}

// Empty when the body is not JSON, or its excludes cannot be told apart.
std::string CanonicalBody(std::string_view body, const std::vector<JsonPointer>& excludes) {
  const Result<std::string> rest = WithoutValues(body, excludes);
  if (!rest.ok()) return {};
  Result<std::string> canonical = CanonicalJson(*rest);
  return canonical.ok() ? *std::move(canonical) : std::string();
}

}  // namespace

std::string FingerprintOf(const wire::Request& request, const FingerprintRules& rules) {
  std::string hashed;
  hashed.reserve(256 + request.body.size());
  if (rules.method) Add(request.method, &hashed);
  if (rules.target) Add(request.target, &hashed);
  if (rules.content_type) Add(request.Header("Content-Type"), &hashed);
  for (const std::string& name : rules.headers) Add(request.Header(name), &hashed);
  if (rules.body) {
    const std::string canonical = rules.body_excludes.empty()
                                      ? std::string()
                                      : CanonicalBody(request.body, rules.body_excludes);
    Add(canonical.empty() ? std::string_view(request.body) : canonical, &hashed);
  }
  return Sha256Hex(hashed);
}

}  // namespace onced

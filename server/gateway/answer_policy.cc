// SPDX-License-Identifier: MIT
#include "server/gateway/answer_policy.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "engine/limits.h"
#include "server/wire/field_syntax.h"

namespace onced {
namespace {

bool TakeWord(std::string_view word, AnswerPolicy* policy) {
  if (word == "store") {
    policy->keep = Keep::kStore;
  } else if (word == "no-store") {
    policy->keep = Keep::kStore;
    policy->store_head = policy->store_body = false;
  } else if (word == "no-store-body") {
    policy->keep = Keep::kStore;
    policy->store_body = false;
  } else if (word == "release") {
    policy->keep = Keep::kRelease;
  } else if (word == "unknown") {
    policy->keep = Keep::kUnknown;
  } else {
    return false;
  }
  return true;
}

bool TakeTtl(std::string_view parameter, AnswerPolicy* policy) {
  constexpr std::string_view kTtl = "ttl=";
  if (!parameter.starts_with(kTtl)) return false;
  parameter.remove_prefix(kTtl.size());
  int64_t seconds = 0;
  const auto read = std::from_chars(parameter.data(), parameter.data() + parameter.size(), seconds);
  if (read.ec != std::errc() || read.ptr != parameter.data() + parameter.size()) return false;
  const int64_t ms = std::clamp<int64_t>(seconds, 0, kRetentionMaxMs / 1000) * 1000;
  policy->retention = std::chrono::milliseconds(std::max(ms, kRetentionMinMs));
  return true;
}

}  // namespace

AnswerPolicy PolicyIn(const HeaderList& headers) {
  const auto found = std::find_if(headers.begin(), headers.end(), [](const auto& header) {
    return wire::SameName(header.first, "Onced-Policy");
  });
  if (found == headers.end()) return {};
  std::string_view rest = found->second;
  AnswerPolicy policy;
  bool first = true;
  while (!rest.empty() || first) {
    const size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view part = wire::Trimmed(rest.substr(0, end));
    if (!(first ? TakeWord(part, &policy) : TakeTtl(part, &policy))) return {};
    rest.remove_prefix(std::min(end + 1, rest.size()));
    first = false;
  }
  return policy;
}

}  // namespace onced

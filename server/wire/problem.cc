// SPDX-License-Identifier: MIT
#include "server/wire/problem.h"

#include <algorithm>
#include <array>

#include "engine/check.h"
#include "server/json/json_writer.h"

namespace onced::wire {
namespace {

struct Kind {
  std::string_view code;
  int status;
  std::string_view title;
  bool retryable;               // the same request may be sent again, as it is
  std::string_view key_action;  // reuse: with the same key; rotate: only with another
};

constexpr std::array<Kind, 31> kKinds = {{
    {"idempotency_key_required", 400, "Idempotency-Key is missing", false, "reuse"},
    {"idempotency_key_invalid", 400, "Idempotency-Key is invalid", false, "rotate"},
    {"idempotency_conflict", 422, "Idempotency-Key is already used", false, "rotate"},
    {"idempotency_in_flight", 409, "A request is outstanding for this Idempotency-Key", true,
     "reuse"},
    {"idempotency_outcome_unknown", 409, "The outcome for this Idempotency-Key is unknown", false,
     "reuse"},
    {"idempotency_consumed", 409, "The answer for this Idempotency-Key was not kept", false,
     "rotate"},
    {"stale_fence", 409, "The fence is not the newest claim's", false, "reuse"},
    {"not_found", 404, "Not found", false, "reuse"},
    {"not_resolvable", 409, "The key needs no decision", false, "reuse"},
    {"invalid_request", 400, "The request is not valid", false, "reuse"},
    {"method_not_allowed", 405, "The method is not allowed here", false, "reuse"},
    {"unsupported_media_type", 415, "The media type is not supported", false, "reuse"},
    {"expectation_failed", 417, "The expectation cannot be met", false, "reuse"},
    {"uri_too_long", 414, "The request target is too long", false, "reuse"},
    {"head_too_large", 431, "The request head is too large", false, "reuse"},
    {"request_timeout", 408, "The request took too long to arrive", true, "reuse"},
    {"not_implemented", 501, "Not implemented", false, "reuse"},
    {"version_not_supported", 505, "The HTTP version is not supported", false, "reuse"},
    {"payload_too_large", 413, "The payload is too large", false, "reuse"},
    {"unauthorized", 401, "Authentication is needed", false, "reuse"},
    {"forbidden", 403, "Not allowed", false, "reuse"},
    {"quota_exceeded", 429, "The quota is used up", true, "reuse"},
    {"overloaded", 503, "Overloaded", true, "reuse"},
    {"storage_unavailable", 503, "The storage is unavailable", true, "reuse"},
    {"storage_full", 507, "The storage is full", true, "reuse"},
    {"upstream_unreachable", 502, "The service cannot be reached", true, "reuse"},
    {"upstream_failed", 502, "The service gave no whole answer", false, "reuse"},
    {"upstream_timeout", 504, "The service did not answer in time", false, "reuse"},
    {"upstream_suspended", 503, "The service keeps failing", true, "reuse"},
    {"loop_detected", 508, "The request came back to where it was", false, "reuse"},
    {"internal_error", 500, "Internal error", false, "reuse"},
}};

const Kind& KindOf(const Problem& problem) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const Kind& kind) { return kind.code == problem.code; });
  ONCED_CHECK(found != kKinds.end());
  return *found;
}

}  // namespace

int StatusOf(const Problem& problem) { return KindOf(problem).status; }
bool IsRetryable(const Problem& problem) { return KindOf(problem).retryable; }

std::string ProblemJson(const Problem& problem) {
  const Kind& kind = KindOf(problem);
  JsonWriter w;
  w.Field("type", "/problems/" + problem.code)
      .Field("title", kind.title)
      .Field("status", kind.status)
      .Field("detail", problem.detail)
      .Field("code", problem.code)
      .Field("retryable", kind.retryable)
      .Field("key_action", kind.key_action);
  if (problem.retry_after_s > 0) w.Field("retry_after", problem.retry_after_s);
  return w.Take();
}

}  // namespace onced::wire

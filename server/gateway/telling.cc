// SPDX-License-Identifier: MIT
#include "server/gateway/telling.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "server/gateway/http_date.h"
#include "server/json/json_writer.h"

namespace onced {
namespace {

constexpr int64_t kRetryFullS = 5;  // a disk is seldom emptied sooner

// Stripe's envelope, and what its clients look for in it.
struct StripeError {
  std::string_view code;  // of ours
  int status;             // 0: as ours
  std::string_view type;
  std::string_view stripe_code;
};
constexpr std::array<StripeError, 4> kStripeErrors = {{
    {"idempotency_conflict", 400, "idempotency_error", ""},
    {"idempotency_in_flight", 409, "idempotency_error", "idempotency_key_in_use"},
    {"idempotency_key_invalid", 400, "invalid_request_error", ""},
    {"idempotency_key_required", 400, "invalid_request_error", ""},
}};

Telling StripeTelling(const wire::Problem& problem) {
  StripeError error{.code = problem.code,
                    .status = 0,
                    .type = wire::StatusOf(problem) >= 500 ? "api_error" : "invalid_request_error",
                    .stripe_code = problem.code};
  for (const StripeError& known : kStripeErrors) {
    if (known.code == problem.code) error = known;
  }
  JsonWriter w;
  w.BeginObject("error").Field("type", error.type);
  if (!error.stripe_code.empty()) w.Field("code", error.stripe_code);
  w.Field("message", problem.detail).EndObject();
  return {.status = error.status == 0 ? wire::StatusOf(problem) : error.status,
          .headers = {{"Content-Type", "application/json"},
                      {"Stripe-Should-Retry", wire::IsRetryable(problem) ? "true" : "false"}},
          .body = w.Take()};
}

}  // namespace

Telling ProblemTelling(Profile profile, const wire::Problem& problem) {
  Telling telling;
  if (profile == Profile::kStripeV1) {
    telling = StripeTelling(problem);
  } else {
    telling = {.status = wire::StatusOf(problem),
               .headers = {{"Content-Type", wire::kProblemType}, {"Content-Language", "en"}},
               .body = wire::ProblemJson(problem)};
  }
  telling.headers.emplace_back("Cache-Control", "no-store");
  if (problem.retry_after_s > 0) {
    telling.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_s));
  }
  return telling;
}

int64_t RetryAfterS(int64_t ms) { return std::clamp<int64_t>((ms + 999) / 1000, 1, 30); }

wire::Problem UpstreamUnreachable() {
  return {.code = "upstream_unreachable",
          .detail = "the service could not be reached; nothing was sent to it"};
}

wire::Problem UpstreamSuspended(std::chrono::milliseconds away) {
  return {.code = "upstream_suspended",
          .detail = "the service keeps failing; nothing is sent to it for a while",
          .retry_after_s = RetryAfterS(away.count())};
}

Telling FaultTelling(Profile profile, const Status& status) {
  const auto told = [&](const char* code, const char* detail, int64_t retry_after_s) {
    return ProblemTelling(profile,
                          {.code = code, .detail = detail, .retry_after_s = retry_after_s});
  };
  Telling telling;
  switch (status.fault()) {
    case Fault::kUnavailable:
      telling = told("overloaded", "the store is catching up; try again", 1);
      telling.stalled = true;
      return telling;
    case Fault::kFull:
      telling = told("storage_full",
                     "the disk is full: nothing was done, and nothing was sent on; stored answers "
                     "are still served",
                     kRetryFullS);
      break;
    case Fault::kNoSpace:
      telling = told("storage_full",
                     "the disk is full: nothing was sent on, but whether the key was taken is "
                     "unknown; stored answers are still served",
                     kRetryFullS);
      break;
    case Fault::kInvalidArgument:
      return ProblemTelling(profile, {.code = "invalid_request", .detail = status.message()});
    case Fault::kIoError:
    case Fault::kUnreadable:
    case Fault::kCorruption:
      telling = told("storage_unavailable", "the storage failed; nothing was sent on", 0);
      break;
  }
  telling.for_operator = status.message();
  return telling;
}

Telling ReplayTelling(Profile profile, const Record& record, int64_t now_ms, bool attached) {
  const wire::Problem consumed{
      .code = "idempotency_consumed",
      .detail = "the request with this key was done; its answer was not kept"};
  Telling telling;
  Result<StoredAnswer> stored = StoredAnswer::Parse(record.result.value_or(""));
  if (!stored.ok() || stored->consumed) {
    telling = ProblemTelling(profile, consumed);
    if (!stored.ok())
      telling.for_operator = "a stored answer is none: " + stored.status().message();
  } else {
    telling = {.status = stored->status,
               .headers = std::move(stored->headers),
               .body = std::move(stored->body)};
    if (stored->body_omitted) telling.headers.emplace_back("Idempotency-Replay", "omitted");
  }
  telling.headers.emplace_back("Idempotent-Replayed", "true");
  telling.headers.emplace_back("Idempotency-Status", attached ? "attached" : "replayed");
  telling.headers.emplace_back("Idempotent-Original-Date", HttpDate(record.completed_at_ms));
  telling.headers.emplace_back("Date", HttpDate(now_ms));
  return telling;
}

}  // namespace onced

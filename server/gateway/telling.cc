// SPDX-License-Identifier: MIT
#include "server/gateway/telling.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

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
    case Fault::kNoSpace:
      telling =
          told("storage_full", "the disk is full; stored answers are still served", kRetryFullS);
      break;
    case Fault::kInvalidArgument:
      return ProblemTelling(profile, {.code = "invalid_request", .detail = status.message()});
    case Fault::kIoError:
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

std::string HttpDate(int64_t unix_ms) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(time - day).count();
  std::string text = "Sun, 00 Jan 0000 00:00:00 GMT";
  const auto put = [&text](size_t last, unsigned value) {
    for (size_t at = last; value != 0; --at, value /= 10) {
      text[at] = static_cast<char>('0' + value % 10);
    }
  };
  text.replace(0, 3, kDays[std::chrono::weekday(day).c_encoding()]);
  put(6, static_cast<unsigned>(date.day()));
  text.replace(8, 3, kMonths[static_cast<unsigned>(date.month()) - 1]);
  put(15, static_cast<unsigned>(static_cast<int>(date.year())) % 10'000);
  put(18, static_cast<unsigned>(second / 3'600));
  put(21, static_cast<unsigned>(second / 60 % 60));
  put(24, static_cast<unsigned>(second % 60));
  return text;
}

}  // namespace onced

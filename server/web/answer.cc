// SPDX-License-Identifier: MIT
#include "server/web/answer.h"

#include "server/wire/problem.h"

namespace onced {
namespace {

constexpr int64_t kRetryFullS = 5;  // a disk is seldom emptied sooner

}  // namespace

Answer ProblemOf(std::string code, std::string detail, int64_t retry_after_s) {
  const wire::Problem problem{
      .code = std::move(code), .detail = std::move(detail), .retry_after_s = retry_after_s};
  Answer answer{.status = wire::StatusOf(problem),
                .body = wire::ProblemJson(problem),
                .type = wire::kProblemType,
                .headers = {{"Content-Language", "en"}}};
  if (retry_after_s > 0) answer.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
  return answer;
}

Answer FaultAnswer(const Status& status) {
  // Details of the machine's trouble are the operator's business, not the caller's.
  switch (status.fault()) {
    case Fault::kInvalidArgument:
      return ProblemOf("invalid_request", status.message());
    case Fault::kFull:
    case Fault::kNoSpace: {
      const bool refused = status.fault() == Fault::kFull;
      Answer answer = ProblemOf(
          "storage_full",
          std::string("the disk is full: ") +
              (refused ? "nothing was changed" : "whether the change was made is unknown") +
              "; stored results are still served",
          kRetryFullS);
      answer.for_operator = status.message();
      return answer;
    }
    case Fault::kUnavailable: {
      Answer answer = ProblemOf("overloaded", "the store is catching up; try again", 1);
      answer.stalled = true;
      return answer;
    }
    case Fault::kIoError:
    case Fault::kUnreadable:
    case Fault::kCorruption:
      break;
  }
  const bool unknown = status.fault() == Fault::kIoError;
  Answer answer = ProblemOf("storage_unavailable",
                            unknown ? "the storage failed; whether the change was made is unknown"
                                    : "what is stored could not be read; nothing was changed");
  answer.for_operator = status.message();
  return answer;
}

}  // namespace onced

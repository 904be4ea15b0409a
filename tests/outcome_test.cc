// SPDX-License-Identifier: MIT
// What an outcome says in JSON, and what every problem carries.
#include "server/http/outcome.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "server/wire/problem.h"

namespace onced {
namespace {

using Json = nlohmann::json;

constexpr int64_t kNow = 1'764'003'765'123;  // 2025-11-24T17:02:45.123Z

Record InFlight(int64_t lease_left_ms) {
  return {.fence = (uint64_t{9} << 32) | 1,
          .claimed_at_ms = kNow,
          .lease_until_ms = kNow + lease_left_ms,
          .retention_ms = 60'000};
}
Record Completed(const std::optional<std::string>& result) {
  Record record = InFlight(0);
  record.state = State::kCompleted;
  record.completed_at_ms = kNow;
  record.result = result;
  return record;
}

Answer Told(Outcome outcome, const std::optional<Record>& record, bool in_batch = false) {
  return OutcomeAnswer(ClaimCommand{},
                       Reply{.outcome = outcome, .record = record, .now_ms = kNow, .sequence = 7},
                       in_batch);
}

TEST(Outcomes, WaitsForTheSequenceOfItsReply) {
  EXPECT_EQ(Told(Outcome::kClaimed, InFlight(1)).sequence, 7u);
  EXPECT_EQ(Told(Outcome::kConflict, InFlight(1)).sequence, 7u);
  EXPECT_EQ(Told(Outcome::kNotFound, std::nullopt).sequence, 7u);
}

TEST(Outcomes, GivesTheFenceAsAString) {
  const Answer answer = Told(Outcome::kClaimed, InFlight(30'000));
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(Json::parse(answer.body), Json({{"outcome", "claimed"},
                                            {"fence", "38654705665"},
                                            {"attempt", 1},
                                            {"lease_until", "2025-11-24T17:03:15.123Z"}}));
}

TEST(Outcomes, ReplaysTheBytesOfTheResult) {
  const std::string odd = "{ \"a\" :\t1e999 , \"b\":\"\\ud800\" }";
  const std::string body = Told(Outcome::kReplay, Completed(odd)).body;
  EXPECT_NE(body.find("\"result\":" + odd + ","), std::string::npos) << body;
  const Json without = Json::parse(Told(Outcome::kReplay, Completed(std::nullopt)).body);
  EXPECT_FALSE(without.contains("result"));
  EXPECT_EQ(without["completed_at"], "2025-11-24T17:02:45.123Z");
  EXPECT_EQ(without["expires_at"], "2025-11-24T17:03:45.123Z");
}

TEST(Outcomes, TellsASecondTryWhenToCome) {
  const struct {
    int64_t left_ms;
    const char* after;
  } table[] = {{-5'000, "1"},  {0, "1"},       {1, "1"},       {1'000, "1"},     {1'001, "2"},
               {29'500, "30"}, {30'000, "30"}, {31'000, "30"}, {3'600'000, "30"}};
  for (const auto& [left_ms, after] : table) {
    const Answer answer = Told(Outcome::kInFlight, InFlight(left_ms));
    EXPECT_EQ(answer.status, 409);
    bool told = false;
    for (const auto& [name, value] : answer.headers) {
      if (name != "Retry-After") continue;
      told = true;
      EXPECT_EQ(value, after) << left_ms;
    }
    EXPECT_TRUE(told);
    // An entry of a batch has no headers.
    const Answer entry = Told(Outcome::kInFlight, InFlight(left_ms), true);
    EXPECT_EQ(std::to_string(Json::parse(entry.body)["retry_after"].get<int>()), after);
  }
}

TEST(Outcomes, OfABatchCarriesItsStatus) {
  EXPECT_EQ(Json::parse(Told(Outcome::kClaimed, InFlight(1), true).body)["status"], 201);
  EXPECT_EQ(Json::parse(Told(Outcome::kReplay, Completed("1"), true).body)["status"], 200);
  EXPECT_EQ(Json::parse(Told(Outcome::kReleased, std::nullopt, true).body)["status"], 200);
  EXPECT_EQ(Json::parse(Told(Outcome::kMarkedUnknown, InFlight(1), true).body)["status"], 200);
  EXPECT_EQ(Json::parse(Told(Outcome::kRenewed, InFlight(1), true).body)["status"], 200);
  EXPECT_EQ(Json::parse(Told(Outcome::kInFlight, InFlight(1), true).body)["status"], 409);
}

// draft-ietf-httpapi-idempotency-key-header-07, 2.7, word for word.
TEST(Problem, HasTheTitleOfTheIetfDraft) {
  const auto title = [](const char* code) {
    return Json::parse(ProblemOf(code, "x").body)["title"].get<std::string>();
  };
  EXPECT_EQ(title("idempotency_key_required"), "Idempotency-Key is missing");
  EXPECT_EQ(title("idempotency_conflict"), "Idempotency-Key is already used");
  EXPECT_EQ(title("idempotency_in_flight"), "A request is outstanding for this Idempotency-Key");
}

TEST(Problem, OfOneCodeHasOneStatusAndOneAdvice) {
  const struct {
    const char* code;
    int status;
    bool retryable;
    const char* key_action;
  } table[] = {{"idempotency_key_required", 400, false, "reuse"},
               {"idempotency_key_invalid", 400, false, "rotate"},
               {"idempotency_conflict", 422, false, "rotate"},
               {"idempotency_in_flight", 409, true, "reuse"},
               {"idempotency_outcome_unknown", 409, false, "reuse"},
               {"stale_fence", 409, false, "reuse"},
               {"not_found", 404, false, "reuse"},
               {"not_resolvable", 409, false, "reuse"},
               {"invalid_request", 400, false, "reuse"},
               {"payload_too_large", 413, false, "reuse"},
               {"unauthorized", 401, false, "reuse"},
               {"forbidden", 403, false, "reuse"},
               {"quota_exceeded", 429, true, "reuse"},
               {"overloaded", 503, true, "reuse"},
               {"storage_unavailable", 503, true, "reuse"},
               {"storage_full", 507, true, "reuse"}};
  for (const auto& [code, status, retryable, key_action] : table) {
    const Answer answer = ProblemOf(code, "because");
    EXPECT_EQ(answer.status, status) << code;
    EXPECT_STREQ(answer.type, "application/problem+json");
    const Json json = Json::parse(answer.body);
    EXPECT_EQ(json["type"], std::string("/problems/") + code);
    EXPECT_EQ(json["status"], status);
    EXPECT_EQ(json["code"], code);
    EXPECT_EQ(json["detail"], "because");
    EXPECT_EQ(json["retryable"], retryable) << code;
    EXPECT_EQ(json["key_action"], key_action) << code;
    EXPECT_EQ(json.size(), 7u);
  }
}

TEST(Problem, TellsNothingOfTheMachine) {
  for (const Status& fault :
       {Status::IoError("write: /var/lib/onced/db/000001.log: Input/output error"),
        Status::Corruption("decode record: /var/lib/onced"),
        Status::NoSpace("/var/lib/onced is full"), Status::Unavailable("/var/lib/onced stalled")}) {
    const Answer answer = FaultAnswer(fault);
    EXPECT_EQ(answer.body.find("/var/lib"), std::string::npos) << answer.body;
    EXPECT_GE(answer.status, 500);
    EXPECT_EQ(answer.stalled, fault.fault() == Fault::kUnavailable);
  }
  EXPECT_EQ(Json::parse(FaultAnswer(Status::InvalidArgument("key: is required")).body)["detail"],
            "key: is required");
}

// Both once were "the disk is full"; a caller could not tell whether its completion was in doubt.
TEST(Problem, TellsARefusalFromAWriteThatFailed) {
  const auto detail = [](const Status& fault) {
    const Answer answer = FaultAnswer(fault);
    EXPECT_EQ(answer.status, 507);
    return std::string(Json::parse(answer.body)["detail"]);
  };
  EXPECT_NE(detail(Status::Full("low")).find("nothing was changed"), std::string::npos);
  EXPECT_NE(detail(Status::NoSpace("write")).find("is unknown"), std::string::npos);
}

TEST(Problem, NeverShowsTheStoredPayload) {
  Record record = Completed("\"a secret\"");
  record.fingerprint = "secret-fp";
  for (const Outcome outcome : {Outcome::kConflict, Outcome::kStale, Outcome::kUnknown,
                                Outcome::kInFlight, Outcome::kNotResolvable}) {
    EXPECT_EQ(Told(outcome, record).body.find("secret"), std::string::npos);
  }
}

TEST(RecordJson, ShowsWhatTheStateHas) {
  const Key key = *Key::Make("default", "s", "k\"\\");
  const auto shown = [&](const Record& record, std::optional<uint32_t> replays,
                         std::optional<size_t> result_bytes = std::nullopt) {
    return Json::parse(RecordJson(key, record, kNow, replays, result_bytes));
  };
  Json live = shown(InFlight(1), 3);
  EXPECT_EQ(live["key"], "k\"\\");
  EXPECT_EQ(live["scope"], "s");
  EXPECT_EQ(live["state"], "in_flight");
  EXPECT_EQ(live["replays"], 3);
  EXPECT_EQ(live["lease_until"], TimeText(kNow + 1));
  EXPECT_EQ(live["expires_at"], TimeText(kNow + 60'001));
  for (const char* name : {"lapsed", "holder", "completed_at", "result_bytes"}) {
    EXPECT_FALSE(live.contains(name)) << name;
  }
  EXPECT_EQ(shown(InFlight(0), 0)["lapsed"], true);
  const Json done = shown(Completed("\"abc\""), std::nullopt, 5);
  EXPECT_EQ(done["state"], "completed");
  EXPECT_EQ(done["result_bytes"], 5);
  EXPECT_FALSE(done.contains("lease_until") || done.contains("replays"));
  Record unknown = InFlight(0);
  unknown.state = State::kUnknown;
  EXPECT_EQ(shown(unknown, 0)["state"], "unknown");
  EXPECT_FALSE(shown(unknown, 0).contains("expires_at")) << "it stays until it is resolved";
}

TEST(TimeText, IsRfc3339InUtcWithMilliseconds) {
  EXPECT_EQ(TimeText(kNow), "2025-11-24T17:02:45.123Z");
  EXPECT_EQ(TimeText(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(TimeText(951'782'400'007), "2000-02-29T00:00:00.007Z");
}

}  // namespace
}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/http/outcome.h"

#include <algorithm>
#include <chrono>

#include "server/json/json_writer.h"

namespace onced {
namespace {

constexpr int64_t kRetryAfterMinS = 1;
constexpr int64_t kRetryAfterMaxS = 30;

int64_t RetryAfterS(const Reply& reply) {
  const int64_t left_ms = reply.record->lease_until_ms - reply.now_ms;
  return std::clamp((left_ms + 999) / 1000, kRetryAfterMinS, kRetryAfterMaxS);
}

const char* EventName(EventType type) {
  switch (type) {
    case EventType::kClaimed:
      return "claimed";
    case EventType::kLapsed:
      return "lapsed";
    case EventType::kCompleted:
      return "completed";
    case EventType::kReleased:
      return "released";
    case EventType::kRetaken:
      return "retaken";
    case EventType::kMarkedUnknown:
      return "marked_unknown";
    case EventType::kResolved:
      return "resolved";
    case EventType::kForgotten:
      return "forgotten";
  }
  ONCED_CHECK(false);
}

void AddExpiry(JsonWriter& w, const Record& record) {
  const int64_t dead_at_ms = record.DeadAtMs();
  if (dead_at_ms != kNeverMs) w.Field("expires_at", TimeText(dead_at_ms));
}

// Begins an outcome's body; `w` must still be Taken.
void Begin(JsonWriter& w, int status, const char* outcome, bool in_batch) {
  if (in_batch) w.Field("status", status);
  w.Field("outcome", outcome);
}

Answer Done(const char* outcome, bool in_batch) {
  JsonWriter w;
  Begin(w, 200, outcome, in_batch);
  return {.body = w.Take()};
}

Answer Claimed(const Record& record, bool in_batch) {
  JsonWriter w;
  Begin(w, 201, "claimed", in_batch);
  w.Field("fence", std::to_string(record.fence))
      .Field("attempt", record.attempt)
      .Field("lease_until", TimeText(record.lease_until_ms));
  return {.status = 201, .body = w.Take()};
}

Answer Replay(const Record& record, bool in_batch) {
  JsonWriter w(256 + (record.result.has_value() ? record.result->size() : 0));
  Begin(w, 200, "replay", in_batch);
  if (record.result.has_value()) w.RawField("result", *record.result);
  w.Field("completed_at", TimeText(record.completed_at_ms));
  AddExpiry(w, record);
  return {.body = w.Take()};
}

Answer Completed(const Record& record, bool in_batch) {
  JsonWriter w;
  Begin(w, 200, "completed", in_batch);
  AddExpiry(w, record);
  return {.body = w.Take()};
}

Answer Renewed(const Record& record, bool in_batch) {
  JsonWriter w;
  Begin(w, 200, "renewed", in_batch);
  w.Field("lease_until", TimeText(record.lease_until_ms));
  return {.body = w.Take()};
}

Answer InFlight(const Reply& reply) {
  return ProblemOf("idempotency_in_flight",
                   "the first request with this key has not finished; ask again with the same key",
                   RetryAfterS(reply));
}

// A problem's entry needs no `status` added: the document has one.
Answer Told(const Command& command, const Reply& reply, bool in_batch) {
  switch (reply.outcome) {
    case Outcome::kClaimed:
      return Claimed(*reply.record, in_batch);
    case Outcome::kReplay:
      if (reply.result_left_out) {
        return ProblemOf("payload_too_large",
                         "the results of this batch are too large together; ask for this key by "
                         "itself");
      }
      return Replay(*reply.record, in_batch);
    case Outcome::kCompleted:
      return Completed(*reply.record, in_batch);
    case Outcome::kResolved:
      return std::get<ResolveCommand>(command).completed ? Completed(*reply.record, in_batch)
                                                         : Done("released", in_batch);
    case Outcome::kRenewed:
      return Renewed(*reply.record, in_batch);
    case Outcome::kReleased:
      return Done("released", in_batch);
    case Outcome::kMarkedUnknown:
      return Done("unknown", in_batch);
    case Outcome::kForgotten:
      return {.status = 204};
    case Outcome::kInFlight:
      return InFlight(reply);
    case Outcome::kConflict:
      return ProblemOf("idempotency_conflict",
                       "this key was used with another fingerprint; a key MUST not be reused "
                       "across different payloads of this operation");
    case Outcome::kUnknown:
      return ProblemOf("idempotency_outcome_unknown",
                       "the run under this key ended without a known outcome; it must be resolved "
                       "before it can be replayed or run again");
    case Outcome::kStale:
      return ProblemOf("stale_fence",
                       "a newer claim exists or this one has ended; nothing was changed");
    case Outcome::kNotResolvable:
      return ProblemOf("not_resolvable",
                       "only an unknown run, or one whose lease has lapsed, can be resolved");
    case Outcome::kNotFound:
      return ProblemOf("not_found", "there is no live record under this key");
  }
  ONCED_CHECK(false);
}

}  // namespace

std::string TimeText(int64_t unix_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto of_day = static_cast<unsigned>((time - day).count());
  // Every answer has a time or two in it, and snprintf takes longer than all else about them.
  std::string text = "0000-00-00T00:00:00.000Z";
  const auto put = [&text](size_t last, unsigned value) {
    for (size_t at = last; value != 0; --at, value /= 10) {
      text[at] = static_cast<char>('0' + value % 10);
    }
  };
  put(3, static_cast<unsigned>(static_cast<int>(date.year())) % 10'000);
  put(6, static_cast<unsigned>(date.month()));
  put(9, static_cast<unsigned>(date.day()));
  put(12, of_day / 3'600'000);
  put(15, of_day / 60'000 % 60);
  put(18, of_day / 1'000 % 60);
  put(22, of_day % 1'000);
  return text;
}

const char* StateName(State state) {
  switch (state) {
    case State::kInFlight:
      return "in_flight";
    case State::kCompleted:
      return "completed";
    case State::kUnknown:
      return "unknown";
  }
  ONCED_CHECK(false);
}

Answer OutcomeAnswer(const Command& command, const Reply& reply, bool in_batch) {
  Answer answer = Told(command, reply, in_batch);
  answer.sequence = reply.sequence;
  answer.came_to = CameToOf(reply.outcome, reply.record);
  return answer;
}

std::string RecordJson(const Key& key, const Record& record, int64_t now_ms,
                       std::optional<uint32_t> replays, std::optional<size_t> result_bytes) {
  JsonWriter w;
  w.Field("key", key.key())
      .Field("scope", key.scope())
      .Field("state", StateName(record.state))
      .Field("attempt", record.attempt);
  if (!record.holder.empty()) w.Field("holder", record.holder);
  w.Field("claimed_at", TimeText(record.claimed_at_ms));
  if (record.state == State::kInFlight) {
    w.Field("lease_until", TimeText(record.lease_until_ms));
    if (record.Lapsed(now_ms)) w.Field("lapsed", true);
  }
  if (record.state == State::kCompleted) {
    w.Field("completed_at", TimeText(record.completed_at_ms));
  }
  AddExpiry(w, record);
  if (replays.has_value()) w.Field("replays", *replays);
  if (record.result.has_value()) result_bytes = record.result->size();
  if (result_bytes.has_value()) w.Field("result_bytes", *result_bytes);
  return w.Take();
}

std::string HistoryJson(const std::vector<Run>& runs) {
  JsonWriter w;
  w.BeginArray("events");
  for (const Run& run : runs) {
    for (const RunEvent& event : run.events) {
      w.BeginObject()
          .Field("type", EventName(event.type))
          .Field("at", TimeText(event.at_ms))
          .Field("fence", std::to_string(run.fence))
          .Field("attempt", run.attempt);
      if (!run.holder.empty()) w.Field("holder", run.holder);
      w.EndObject();
    }
  }
  w.EndArray();
  return w.Take();
}

}  // namespace onced

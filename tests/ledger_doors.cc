// SPDX-License-Identifier: MIT
#include "tests/ledger_doors.h"

#include <cstdlib>
#include <utility>

#include "tests/fixtures.h"

namespace onced {
namespace {

using Kind = Call::Kind;
using Told = Call::Told;

std::string Fingerprint(const Call& call) { return "f" + std::to_string(call.fingerprint); }
int64_t LeaseMs(const Call& call) { return call.lease_ns / 1'000'000; }
uint64_t Number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

// What an outcome's name, of either door, says.
bool Tell(const std::string& outcome, Call& call) {
  if (outcome == "claimed" || outcome == "completed" || outcome == "renewed" ||
      outcome == "released") {
    call.told = Told::kDone;
  } else if (outcome == "in_flight" || outcome == "idempotency_in_flight") {
    call.told = Told::kInFlight;
  } else if (outcome == "replay") {
    call.told = Told::kReplay;
  } else if (outcome == "conflict" || outcome == "idempotency_conflict") {
    call.told = Told::kConflict;
  } else if (outcome == "stale" || outcome == "stale_fence") {
    call.told = Told::kStale;
  } else {
    return false;
  }
  return true;
}

// The value of a field in a map, as RESP2 has it.
std::string FieldOf(const std::string& reply, const std::string& name) {
  const size_t at = reply.find("\r\n" + name + "\r\n");
  if (at == std::string::npos) return "";
  const std::string_view rest = std::string_view(reply).substr(at + name.size() + 4);
  const std::string value(rest.substr(0, ReplySize(rest) - 2));
  return value.starts_with('$') ? value.substr(value.find("\r\n") + 2) : value;
}

}  // namespace

bool EngineDoor::Ask(const std::string& key, Call& call) {
  if (call.kind == Kind::kFind) {
    const Result<FoundReply> found = ledger_->Find(K(key));
    if (!found.ok()) return false;
    call.told = !found->record.has_value()                  ? Told::kAbsent
                : found->record->state == State::kCompleted ? Told::kReplay
                                                            : Told::kInFlight;
    if (call.told == Told::kInFlight) call.fence = found->record->fence;
    if (call.told == Told::kReplay) call.result = Number(*found->record->result);
    return true;
  }
  Command command = RenewCommand{.fence = call.fence, .lease_ms = LeaseMs(call)};
  if (call.kind == Kind::kClaim) {
    command = ClaimCommand{.fingerprint = Fingerprint(call),
                           .lease_ms = LeaseMs(call),
                           .retention_ms = kDayMs,
                           .holder = "me"};
  } else if (call.kind == Kind::kComplete) {
    command = CompleteCommand{
        .fence = call.fence, .result = std::to_string(call.result), .retention_ms = std::nullopt};
  } else if (call.kind == Kind::kRelease) {
    command = ReleaseCommand{.fence = call.fence};
  }
  const Result<Reply> reply = ledger_->Do(K(key), command);
  if (!reply.ok()) return false;
  switch (reply->outcome) {
    case Outcome::kClaimed:
      call.fence = reply->record->fence;
      [[fallthrough]];
    case Outcome::kCompleted:
    case Outcome::kRenewed:
    case Outcome::kReleased:
      call.told = Told::kDone;
      return true;
    case Outcome::kInFlight:
      call.told = Told::kInFlight;
      return true;
    case Outcome::kReplay:
      call.told = Told::kReplay;
      call.result = Number(*reply->record->result);
      return true;
    case Outcome::kConflict:
      call.told = Told::kConflict;
      return true;
    case Outcome::kStale:
      call.told = Told::kStale;
      return true;
    default:
      return false;
  }
}

bool HttpLedgerDoor::Ask(const std::string& key, Call& call) {
  if (call.kind == Kind::kFind) {
    const HttpAnswer answer = client_.Ask("GET", "/v1/keys/" + key + "/result");
    if (answer.status == 200) {
      call.told = Told::kReplay;
      call.result = Number(answer.body);
      return true;
    }
    if (answer.status == 404) call.told = Told::kAbsent;
    if (answer.status != 404 && answer.status != 0) call.told = Told::kInFlight;
    return answer.status == 404 || answer.body.find("in_flight") != std::string::npos;
  }
  const std::string begin = "{'key':'" + key + "',";
  const std::string fence = "'fence':'" + std::to_string(call.fence) + "'";
  const std::string lease = "'lease_ms':" + std::to_string(LeaseMs(call));
  std::string target = "/v1/release";
  std::string body = begin + fence + "}";
  if (call.kind == Kind::kClaim) {
    target = "/v1/claim";
    body = begin + "'fingerprint':'" + Fingerprint(call) + "'," + lease + "}";
  } else if (call.kind == Kind::kComplete) {
    target = "/v1/complete";
    body = begin + fence + ",'result':" + std::to_string(call.result) + "}";
  } else if (call.kind == Kind::kRenew) {
    target = "/v1/renew";
    body = begin + fence + "," + lease + "}";
  }
  const HttpAnswer answer = client_.Ask("POST", target, Json(body));
  if (answer.status == 0 || answer.status >= 500) return false;
  const bool done = answer.status < 300;
  if (!Tell(answer.Field(done ? "/outcome" : "/code"), call)) return false;
  if (call.told == Told::kDone && call.kind == Kind::kClaim) {
    call.fence = Number(answer.Field("/fence"));
  }
  if (call.told == Told::kReplay) call.result = Number(answer.Field("/result"));
  return true;
}

bool RedisLedgerDoor::Ask(const std::string& key, Call& call) {
  const std::string fence = std::to_string(call.fence);
  const std::string lease = std::to_string(LeaseMs(call));
  Words words;
  switch (call.kind) {
    case Kind::kClaim:
      words = {"ONCED.CLAIM", key, "FINGERPRINT", Fingerprint(call), "LEASE", lease};
      break;
    case Kind::kComplete:
      words = {"ONCED.COMPLETE", key, fence, std::to_string(call.result)};
      break;
    case Kind::kRenew:
      words = {"ONCED.RENEW", key, fence, "LEASE", lease};
      break;
    case Kind::kRelease:
      words = {"ONCED.RELEASE", key, fence};
      break;
    case Kind::kFind:
      words = {"ONCED.GET", key};
      break;
  }
  const std::string reply = client_.Ask(words);
  if (call.kind == Kind::kFind) {
    const std::string state = FieldOf(reply, "state");
    call.told = state == "completed" ? Told::kReplay
                : state.empty()      ? Told::kAbsent
                                     : Told::kInFlight;
    if (call.told == Told::kReplay) call.result = Number(FieldOf(reply, "result"));
    return reply == "$-1\r\n" || state == "completed" || state == "in_flight";
  }
  if (!reply.starts_with("*") || !Tell(FieldOf(reply, "outcome"), call)) return false;
  if (call.told == Told::kDone && call.kind == Kind::kClaim) {
    call.fence = Number(FieldOf(reply, "fence"));
  }
  if (call.told == Told::kReplay) call.result = Number(FieldOf(reply, "result"));
  return true;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// One function a command, each reading like its row of the table in FORMAT.md, "states".
#include "engine/transition.h"

#include <utility>

namespace onced {
namespace {

Decision Unchanged(Outcome outcome, std::optional<Record>&& record) {
  return {.outcome = outcome, .record = std::move(record)};
}

Run Ended(const Record& record, EventType how, int64_t now_ms) {
  Run run = Run::Of(record, now_ms);
  run.events.push_back({how, now_ms});
  return run;
}

// The record is gone; its last words are in the row.
Decision Erased(Outcome outcome, Record record, EventType how, int64_t now_ms, Wake wake) {
  Run run = Ended(record, how, now_ms);
  return {.outcome = outcome,
          .write = Write::kErase,
          .record = std::move(record),
          .ended = {std::move(run)},
          .wake = wake};
}

bool OwnsRun(const std::optional<Record>& record, uint64_t fence) {
  return record.has_value() && record->state == State::kInFlight && record->fence == fence;
}

Decision Claimed(const ClaimCommand& claim, uint32_t attempt, const Moment& moment) {
  ONCED_CHECK(moment.fresh_fence != 0);
  return {.outcome = Outcome::kClaimed,
          .write = Write::kPut,
          .record = Record{.state = State::kInFlight,
                           .on_lapse = claim.on_lapse,
                           .local = claim.local,
                           .attempt = attempt,
                           .fence = moment.fresh_fence,
                           .claimed_at_ms = moment.now_ms,
                           .lease_until_ms = moment.now_ms + claim.lease_ms,
                           .retention_ms = claim.retention_ms,
                           .unknown_retention_ms = claim.local ? moment.unknown_retention_ms : 0,
                           .fingerprint = claim.fingerprint,
                           .claim_id = claim.claim_id,
                           .holder = claim.holder}};
}

// Puts the run into `unknown` at `moment`.
Decision BecomesUnknown(Outcome outcome, Record record, const Moment& moment) {
  record.state = State::kUnknown;
  record.local = false;
  record.unknown_at_ms = moment.now_ms;
  record.unknown_retention_ms = moment.unknown_retention_ms;
  Run run = Run::Of(record, moment.now_ms);
  return {.outcome = outcome,
          .write = Write::kPut,
          .record = std::move(record),
          .ended = {std::move(run)},
          .wake = Wake::kAll};
}

Decision BecomesCompleted(Outcome outcome, Record record, std::optional<std::string> result,
                          const Moment& moment) {
  record.state = State::kCompleted;
  record.local = false;
  record.completed_at_ms = moment.now_ms;
  record.result = std::move(result);
  Run run = Run::Of(record, moment.now_ms);
  return {.outcome = outcome,
          .write = Write::kPut,
          .record = std::move(record),
          .ended = {std::move(run)},
          .wake = Wake::kAll};
}

Decision ClaimLapsed(Record record, const ClaimCommand& claim, const Moment& moment) {
  if (record.on_lapse == OnLapse::kUnknown) {
    return BecomesUnknown(Outcome::kUnknown, std::move(record), moment);
  }
  if (!moment.first_in_line) {
    return {.outcome = Outcome::kInFlight, .record = std::move(record), .wake = Wake::kOldest};
  }
  Decision decision = Claimed(claim, record.attempt + 1, moment);
  ONCED_CHECK(moment.fresh_fence > record.fence);
  decision.ended = {Ended(record, EventType::kRetaken, moment.now_ms)};
  return decision;
}

Decision On(std::optional<Record>&& current, const ClaimCommand& claim, const Moment& moment) {
  if (!current.has_value()) return Claimed(claim, 1, moment);
  if (current->fingerprint != claim.fingerprint) {
    return Unchanged(Outcome::kConflict, std::move(current));
  }
  switch (current->state) {
    case State::kCompleted:
      return Unchanged(Outcome::kReplay, std::move(current));
    case State::kUnknown:
      return Unchanged(Outcome::kUnknown, std::move(current));
    case State::kInFlight:
      break;
  }
  if (!claim.claim_id.empty() && claim.claim_id == current->claim_id) {
    return Unchanged(Outcome::kClaimed, std::move(current));
  }
  if (current->LeaseIsLive(moment.now_ms)) {
    return Unchanged(Outcome::kInFlight, std::move(current));
  }
  return ClaimLapsed(*std::move(current), claim, moment);
}

Decision On(std::optional<Record>&& current, const CompleteCommand& complete,
            const Moment& moment) {
  if (!current.has_value() || current->fence != complete.fence) {
    return Unchanged(Outcome::kStale, std::move(current));
  }
  if (current->state == State::kCompleted) {
    const bool same = current->result == complete.result;
    return Unchanged(same ? Outcome::kCompleted : Outcome::kStale, std::move(current));
  }
  current->retention_ms = complete.retention_ms.value_or(current->retention_ms);
  return BecomesCompleted(Outcome::kCompleted, *std::move(current), complete.result, moment);
}

Decision On(std::optional<Record>&& current, const CompleteUnclaimedCommand& complete,
            const Moment& moment) {
  if (!current.has_value()) {
    ONCED_CHECK(moment.fresh_fence != 0);
    return BecomesCompleted(Outcome::kCompleted,
                            Record{.fence = moment.fresh_fence,
                                   .claimed_at_ms = moment.now_ms,
                                   .lease_until_ms = moment.now_ms,
                                   .retention_ms = complete.retention_ms,
                                   .fingerprint = complete.fingerprint},
                            complete.result, moment);
  }
  const bool same_fingerprint = current->fingerprint == complete.fingerprint;
  switch (current->state) {
    case State::kInFlight:
      return Unchanged(same_fingerprint ? Outcome::kInFlight : Outcome::kConflict,
                       std::move(current));
    case State::kUnknown:
      return Unchanged(same_fingerprint ? Outcome::kUnknown : Outcome::kConflict,
                       std::move(current));
    case State::kCompleted:
      break;
  }
  const bool same = same_fingerprint && current->result == complete.result;
  return Unchanged(same ? Outcome::kCompleted : Outcome::kConflict, std::move(current));
}

Decision On(std::optional<Record>&& current, const ReleaseCommand& release, const Moment& moment) {
  if (!OwnsRun(current, release.fence)) return Unchanged(Outcome::kStale, std::move(current));
  return Erased(Outcome::kReleased, *std::move(current), EventType::kReleased, moment.now_ms,
                Wake::kFreed);
}

Decision On(std::optional<Record>&& current, const RenewCommand& renew, const Moment& moment) {
  if (!OwnsRun(current, renew.fence)) return Unchanged(Outcome::kStale, std::move(current));
  current->lease_until_ms = moment.now_ms + renew.lease_ms;
  return {.outcome = Outcome::kRenewed, .write = Write::kPut, .record = std::move(current)};
}

Decision On(std::optional<Record>&& current, const MarkUnknownCommand& mark, const Moment& moment) {
  if (current.has_value() && current->state == State::kUnknown && current->fence == mark.fence) {
    return Unchanged(Outcome::kMarkedUnknown, std::move(current));
  }
  if (!OwnsRun(current, mark.fence)) return Unchanged(Outcome::kStale, std::move(current));
  return BecomesUnknown(Outcome::kMarkedUnknown, *std::move(current), moment);
}

Decision On(std::optional<Record>&& current, const ResolveCommand& resolve, const Moment& moment) {
  if (!current.has_value()) return Unchanged(Outcome::kNotFound, std::nullopt);
  if (current->state == State::kCompleted || current->LeaseIsLive(moment.now_ms)) {
    return Unchanged(Outcome::kNotResolvable, std::move(current));
  }
  if (!resolve.completed) {
    return Erased(Outcome::kResolved, *std::move(current), EventType::kResolved, moment.now_ms,
                  Wake::kAll);
  }
  current->resolved = true;
  return BecomesCompleted(Outcome::kResolved, *std::move(current), resolve.result, moment);
}

Decision On(std::optional<Record>&& current, const ForgetCommand& forget, const Moment& moment) {
  if (!current.has_value()) return Unchanged(Outcome::kNotFound, std::nullopt);
  if (current->LeaseIsLive(moment.now_ms) && !forget.force) {
    return Unchanged(Outcome::kInFlight, std::move(current));
  }
  return Erased(Outcome::kForgotten, *std::move(current), EventType::kForgotten, moment.now_ms,
                Wake::kAll);
}

}  // namespace

Decision Decide(std::optional<Record> current, const ClaimCommand& claim, const Moment& moment) {
  if (current.has_value() && IsDead(current->DeadAtMs(), moment.now_ms)) current.reset();
  return On(std::move(current), claim, moment);
}

Decision Decide(std::optional<Record> current, const Command& command, const Moment& moment) {
  if (current.has_value() && IsDead(current->DeadAtMs(), moment.now_ms)) current.reset();
  return std::visit([&](const auto& c) { return On(std::move(current), c, moment); }, command);
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "tests/random_ledger.h"

#include <algorithm>
#include <utility>

namespace onced {
namespace {

// What a lie keeps away from the ends of leases and retentions: longer than any call here.
constexpr int64_t kPlainlyMs = 1'500;
constexpr int64_t kLeapMs = 3'000;

std::string TextOf(uint64_t mark) { return mark == 0 ? "" : std::to_string(mark); }
uint64_t MarkOf(const std::string& text) { return text.empty() ? 0 : std::stoull(text); }

Told ToldOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kClaimed:
      return Told::kClaimed;
    case Outcome::kReplay:
      return Told::kReplay;
    case Outcome::kConflict:
      return Told::kConflict;
    case Outcome::kInFlight:
      return Told::kInFlight;
    case Outcome::kUnknown:
      return Told::kUnknown;
    case Outcome::kCompleted:
      return Told::kCompleted;
    case Outcome::kReleased:
      return Told::kReleased;
    case Outcome::kRenewed:
      return Told::kRenewed;
    default:
      return Told::kStale;
  }
}

}  // namespace

std::vector<Call> RandomLedger::Run(size_t calls) {
  while (calls_.size() < calls) Step(&callers_[random_() % kCallers]);
  for (Caller& caller : callers_) {
    if (caller.state != Caller::kIdle) calls_.push_back(caller.call);
  }
  return std::move(calls_);
}

void RandomLedger::Step(Caller* caller) {
  now_ms_ += Chance(40) ? static_cast<int64_t>(random_() % kLeapMs) : random_() % 12;
  ++tick_;
  switch (caller->state) {
    case Caller::kIdle:
      return Ask(caller);
    case Caller::kAsking:
      // What gets lost on its way, or whose answer does, is never heard of; but it may be done.
      if (lie_ == Lie::kNone && Chance(30)) {
        calls_.push_back(caller->call);
        if (Chance(2)) {
          caller->state = Caller::kIdle;
        } else {
          Do(caller);
          caller->state = Caller::kIdle;
        }
        return;
      }
      if (CanLie(*caller)) {
        TellLie(caller);
        Return(caller);
        return LookAgain(*caller);
      }
      return Do(caller);
    case Caller::kDone:
      return Return(caller);
  }
}

void RandomLedger::Ask(Caller* caller) {
  caller->state = Caller::kAsking;
  caller->key = random_() % kKeys;
  const OneKey& key = keys_[caller->key];
  caller->ended_before = key.ended;
  Question asked{.key = "k" + std::to_string(caller->key)};
  const unsigned dice = random_() % 16;
  const bool owns = dice >= 6 && dice < 13 && !key.fences.empty();
  asked.what = dice < 6 || (dice < 13 && !owns) ? Asked::kClaim
               : dice < 8                       ? Asked::kRenew
               : dice < 11                      ? Asked::kComplete
               : dice < 13                      ? Asked::kRelease
                                                : Asked::kFind;
  if (owns) {
    const size_t back = Chance(2) ? 0 : random_() % std::min<size_t>(key.fences.size(), 4);
    asked.fence = key.fences[key.fences.size() - 1 - back];
  }
  asked.fingerprint = asked.what == Asked::kClaim ? 7 + (Chance(8) ? 1 : 0) : 0;
  asked.claim_id = asked.what == Asked::kClaim && Chance(5) ? 20 + random_() % 3 : 0;
  asked.result = asked.what == Asked::kComplete ? 50 + random_() % 3 : 0;
  asked.lease_ms = static_cast<int64_t>(100 + random_() % 3'000);
  asked.retention_ms = asked.what == Asked::kComplete && Chance(2)
                           ? 0
                           : static_cast<int64_t>(1'000 + random_() % 9'000);
  asked.unknown_on_lapse = asked.what == Asked::kClaim && Chance(10);
  caller->call = {.asked = std::move(asked),
                  .told = {},
                  .called_ns = tick_,
                  .called_ms = now_ms_,
                  .caller = static_cast<int>(caller - callers_)};
}

Command RandomLedger::CommandOf(const Question& asked) const {
  switch (asked.what) {
    case Asked::kComplete:
      return CompleteCommand{.fence = asked.fence,
                             .result = TextOf(asked.result),
                             .retention_ms = asked.retention_ms == 0
                                                 ? std::nullopt
                                                 : std::optional(asked.retention_ms)};
    case Asked::kRelease:
      return ReleaseCommand{.fence = asked.fence};
    case Asked::kRenew:
      return RenewCommand{.fence = asked.fence, .lease_ms = asked.lease_ms};
    default:
      return ClaimCommand{.fingerprint = TextOf(asked.fingerprint),
                          .lease_ms = asked.lease_ms,
                          .retention_ms = asked.retention_ms,
                          .on_lapse = asked.unknown_on_lapse ? OnLapse::kUnknown : OnLapse::kRetry,
                          .claim_id = TextOf(asked.claim_id),
                          .holder = ""};
  }
}

Answer RandomLedger::AnswerOf(const OneKey& key, const Question& asked,
                              const Decision& decision) const {
  if (asked.what == Asked::kFind) return Find(key);
  Answer told{.what = ToldOf(decision.outcome)};
  if (told.what == Told::kClaimed) told.fence = decision.record->fence;
  if (told.what == Told::kReplay) told.result = MarkOf(decision.record->result.value_or(""));
  return told;
}

Answer RandomLedger::Find(const OneKey& key) const {
  if (!key.record.has_value() || IsDead(key.record->DeadAtMs(), now_ms_)) {
    return {.what = Told::kAbsent};
  }
  Answer told{.what = Told::kFoundInFlight, .fence = key.record->fence};
  if (key.record->state == State::kUnknown) told.what = Told::kFoundUnknown;
  if (key.record->state == State::kCompleted) {
    told.what = Told::kFoundCompleted;
    told.result = MarkOf(key.record->result.value_or(""));
  }
  return told;
}

void RandomLedger::Do(Caller* caller) {
  OneKey& key = keys_[caller->key];
  const Question& asked = caller->call.asked;
  caller->state = Caller::kDone;
  if (asked.what == Asked::kFind) {
    caller->call.told = Find(key);
    return;
  }
  const Decision decision =
      Decide(key.record, CommandOf(asked), {.now_ms = now_ms_, .fresh_fence = fence_ + 1});
  if (decision.write == Write::kErase) key.record.reset();
  if (decision.write == Write::kPut) key.record = decision.record;
  caller->call.told = AnswerOf(key, asked, decision);
  if (decision.outcome != Outcome::kClaimed || decision.write != Write::kPut) return;
  ++fence_;
}

void RandomLedger::Return(Caller* caller) {
  caller->call.returned_ns = ++tick_;
  caller->call.returned_ms = now_ms_;
  calls_.push_back(caller->call);
  caller->state = Caller::kIdle;
  OneKey& key = keys_[caller->key];
  ++key.ended;
  if (caller->call.told.what == Told::kClaimed || caller->call.told.what == Told::kRenewed) {
    key.leased_to_ms = std::max(key.leased_to_ms, now_ms_ + caller->call.asked.lease_ms);
  }
  if (caller->call.told.what == Told::kClaimed) key.fences.push_back(caller->call.told.fence);
}

bool RandomLedger::CanLie(const Caller& caller) {
  if (lie_ == Lie::kNone || lied_) return false;
  for (const Caller& other : callers_) {
    if (&other != &caller && other.state != Caller::kIdle && other.key == caller.key) return false;
  }
  const OneKey& key = keys_[caller.key];
  if (key.ended != caller.ended_before) return false;
  const Question& asked = caller.call.asked;
  if (!key.record.has_value())
    return lie_ == Lie::kFenceReused && asked.what == Asked::kClaim && !key.fences.empty();
  const Record& record = *key.record;
  if (IsDead(record.DeadAtMs(), now_ms_ + kPlainlyMs)) return false;
  const bool same = MarkOf(record.fingerprint) == asked.fingerprint &&
                    (asked.claim_id == 0 || TextOf(asked.claim_id) != record.claim_id);
  const bool claims = asked.what == Asked::kClaim && same;
  const bool in_flight = record.state == State::kInFlight;
  switch (lie_) {
    case Lie::kStaleFenceAccepted:
      return asked.fence != 0 && in_flight && asked.fence != record.fence;
    case Lie::kSecondWinner:
      return claims && in_flight && now_ms_ + kPlainlyMs < record.lease_until_ms;
    case Lie::kLostCompletion:
      return asked.what == Asked::kComplete && in_flight && asked.fence == record.fence;
    case Lie::kOtherBytes:
    case Lie::kEarlyExpiry:
      return claims && record.state == State::kCompleted;
    case Lie::kStaleRead:
      return asked.what == Asked::kFind && record.state == State::kCompleted;
    case Lie::kNeverLapses:
      return claims && in_flight && record.on_lapse == OnLapse::kRetry &&
             caller.call.called_ms > key.leased_to_ms;
    default:
      return false;
  }
}

void RandomLedger::TellLie(Caller* caller) {
  lied_ = true;
  OneKey& key = keys_[caller->key];
  Call& call = caller->call;
  switch (lie_) {
    case Lie::kStaleFenceAccepted:
      call.told.what = call.asked.what == Asked::kComplete  ? Told::kCompleted
                       : call.asked.what == Asked::kRelease ? Told::kReleased
                                                            : Told::kRenewed;
      return;
    case Lie::kSecondWinner:
    case Lie::kEarlyExpiry:
      call.told = {.what = Told::kClaimed, .fence = ++fence_};
      return;
    case Lie::kFenceReused:
      call.told = {.what = Told::kClaimed, .fence = key.fences.back()};
      return;
    case Lie::kLostCompletion:
      call.told = {.what = Told::kCompleted};
      return;
    case Lie::kOtherBytes:
      call.told = {.what = Told::kReplay, .result = 49};
      return;
    case Lie::kStaleRead:
      call.told = {.what = Told::kFoundInFlight, .fence = key.record->fence};
      return;
    case Lie::kNeverLapses:
      call.told = {.what = Told::kInFlight};
      return;
    case Lie::kNone:
      return;
  }
}

void RandomLedger::LookAgain(const Caller& caller) {
  Call find{.asked = {.key = caller.call.asked.key, .what = Asked::kFind},
            .told = Find(keys_[caller.key]),
            .called_ns = ++tick_,
            .returned_ns = 0,
            .called_ms = now_ms_,
            .returned_ms = now_ms_,
            .caller = caller.call.caller};
  find.returned_ns = ++tick_;
  calls_.push_back(find);
}

}  // namespace onced

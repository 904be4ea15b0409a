// SPDX-License-Identifier: MIT
#include "tests/witness.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "tests/fixtures.h"

namespace onced {

std::string TextOf(uint64_t number) { return number == 0 ? "" : std::to_string(number); }

uint64_t NumberIn(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

namespace {

class LedgerDoor : public Door {
 public:
  explicit LedgerDoor(Ledger* ledger) : ledger_(ledger) {}
  void Send(const Question& /*question*/) override {}
  Answer Receive(const Question& question) override {
    const Key key = K(question.key);
    if (question.what == Asked::kFind) {
      const Result<FoundReply> found = ledger_->Find(key);
      if (!found.ok()) return OfFault(found.status());
      return OfRecord(Told::kAbsent, found->record);
    }
    const Result<Reply> reply = ledger_->Do(key, CommandOf(question));
    if (!reply.ok()) return OfFault(reply.status());
    static constexpr Told kTold[] = {
        Told::kClaimed,   Told::kReplay,   Told::kConflict, Told::kInFlight, Told::kUnknown,
        Told::kCompleted, Told::kReleased, Told::kRenewed,  Told::kNothing,  Told::kStale};
    Answer answer{.what = kTold[static_cast<size_t>(reply->outcome)]};
    answer.unclear = answer.what == Told::kNothing;
    if (answer.what == Told::kClaimed) answer.fence = reply->record->fence;
    if (answer.what == Told::kReplay) answer.result = ResultNumber(*reply->record->result);
    return answer;
  }

 private:
  static Answer OfFault(const Status& status) {
    const bool refused = status.fault() == Fault::kFull || status.fault() == Fault::kUnavailable;
    return {.what = refused ? Told::kRefused : Told::kNothing, .unclear = !refused};
  }
  static Answer OfRecord(Told absent, const std::optional<Record>& record) {
    if (!record.has_value()) return {.what = absent};
    Answer answer{.what = Told::kFoundInFlight, .fence = record->fence};
    if (record->state == State::kUnknown) answer.what = Told::kFoundUnknown;
    if (record->state == State::kCompleted) {
      answer.what = Told::kFoundCompleted;
      answer.result = ResultNumber(record->result.value_or(""));
    }
    return answer;
  }
  static Command CommandOf(const Question& asked) {
    switch (asked.what) {
      case Asked::kComplete:
        return CompleteCommand{.fence = asked.fence, .result = ResultText(asked.result)};
      case Asked::kRelease:
        return ReleaseCommand{.fence = asked.fence};
      case Asked::kRenew:
        return RenewCommand{.fence = asked.fence, .lease_ms = asked.lease_ms};
      default:
        return ClaimCommand{
            .fingerprint = TextOf(asked.fingerprint),
            .lease_ms = asked.lease_ms,
            .retention_ms = asked.retention_ms,
            .on_lapse = asked.unknown_on_lapse ? OnLapse::kUnknown : OnLapse::kRetry,
            .claim_id = TextOf(asked.claim_id),
            .holder = ""};
    }
  }
  Ledger* const ledger_;
};

}  // namespace

std::string ResultText(uint64_t number) {
  return "\"" + std::to_string(number) + ":" + std::string(number % 300, 'x') + "\"";
}
uint64_t ResultNumber(std::string_view text) {
  const uint64_t number = text.empty() ? 0 : NumberIn(text.substr(1));
  return ResultText(number) == text ? number : kNoResult;
}

std::unique_ptr<Door> InProcess(Ledger* ledger) { return std::make_unique<LedgerDoor>(ledger); }

void Witness::Ask(Question question) {
  asked_ = question;
  recorder_->Begin(std::move(question));
  door_->Send(asked_);
}
Answer Witness::Hear() {
  const Answer answer = door_->Receive(asked_);
  recorder_->End(answer);
  return answer;
}

bool Witness::AskAndHangUp(Question claim) {
  if (!door_->CanHangUp()) return false;
  claim.claim_id = 0;  // or the server leaves it to us to ask again
  Ask(std::move(claim));
  recorder_->HungUp();
  door_->HangUp();
  return true;
}

Question ClaimOf(const std::string& key, int64_t lease_ms, int64_t retention_ms) {
  return {.key = key,
          .what = Asked::kClaim,
          .fingerprint = 7,
          .lease_ms = lease_ms,
          .retention_ms = retention_ms};
}
Question CompleteOf(const std::string& key, uint64_t fence, uint64_t result) {
  return {.key = key, .what = Asked::kComplete, .fence = fence, .result = result};
}
Question ReleaseOf(const std::string& key, uint64_t fence) {
  return {.key = key, .what = Asked::kRelease, .fence = fence};
}
Question RenewOf(const std::string& key, uint64_t fence, int64_t lease_ms) {
  return {.key = key, .what = Asked::kRenew, .fence = fence, .lease_ms = lease_ms};
}
Question FindOf(const std::string& key) { return {.key = key, .what = Asked::kFind}; }

size_t RandomCaller::PickKey() {
  const size_t key = keys_->first + random_() % HotKeys::kMany;
  return random_() % 8 == 0 ? key - std::min<size_t>(key, random_() % 60) : key;
}

Question RandomCaller::Next(const std::string& name, const Held& held) {
  const int64_t lease_ms =
      kLeaseLeastMs + static_cast<int64_t>(random_() % (kLeaseMostMs - kLeaseLeastMs));
  const unsigned dice = random_() % 16;
  if (dice < 3) return FindOf(name);
  if (!held.fences.empty() && (held.owns ? dice < 13 : dice < 6)) {
    const size_t back = held.owns && random_() % 8 != 0 ? 0 : random_() % held.fences.size();
    const uint64_t fence = held.fences[held.fences.size() - 1 - back];
    const unsigned end = random_() % 4;
    if (end < 2) return CompleteOf(name, fence, 1 + random_() % 1'000);
    return end == 2 ? ReleaseOf(name, fence) : RenewOf(name, fence, lease_ms);
  }
  Question claim = ClaimOf(name, lease_ms, static_cast<int64_t>(1'000 + random_() % 1'000));
  claim.claim_id = held.unanswered_id;
  if (claim.claim_id == 0 && random_() % 4 != 0) claim.claim_id = 1 + random_() % 1'000'000'000;
  if (random_() % 16 == 0) claim.fingerprint = 8;
  claim.unknown_on_lapse = random_() % 256 == 0;
  if (random_() % 4 == 0) claim.wait_ms = static_cast<int64_t>(1 + random_() % 300);
  return claim;
}

void RandomCaller::Step() {
  const size_t key = PickKey();
  Held& held = held_[key];
  const Question asked = Next("k" + std::to_string(key), held);
  // What nobody was told may happen at any later moment: too much of it on one key, and nobody can
  // judge it; so all move on.
  if (asked.what == Asked::kClaim && random_() % 32 == 0 && witness_->AskAndHangUp(asked)) {
    ++keys_->first;
    return;
  }
  const Answer told = witness_->AskAndHear(asked);
  if (told.what == Told::kRefused) return;
  if (told.what == Told::kNothing && asked.what == Asked::kClaim) ++keys_->first;
  if (asked.what == Asked::kClaim) {
    held.unanswered_id = told.what == Told::kNothing ? asked.claim_id : 0;
    held.owns = told.what == Told::kClaimed;
    if (held.owns) held.fences.push_back(told.fence);
  } else if (asked.what == Asked::kComplete || asked.what == Asked::kRelease) {
    held.owns = false;
  }
  const bool over = told.what == Told::kCompleted || told.what == Told::kReplay;
  if (over && key >= keys_->first && random_() % 4 == 0) ++keys_->first;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/ledger.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "engine/mutex.h"

namespace onced {
namespace {

// A waiter that may not take a lapsed key, because an older one has the right to, looks again so
// much later: the older one's caller may be gone without having told.
constexpr std::chrono::milliseconds kBehindAnother{1'000};

constexpr Needs kToBegin{.fresh_fence = true, .space = true};

Needs NeedsOf(const Command& command) {
  const bool begins = std::holds_alternative<ClaimCommand>(command) ||
                      std::holds_alternative<CompleteUnclaimedCommand>(command);
  return begins ? kToBegin : Needs{};
}

Status CheckRange(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return Status::Ok();
  return Status::InvalidArgument(std::string(field) + ": must be " + std::to_string(least) + ".." +
                                 std::to_string(most));
}
Status CheckLease(int64_t lease_ms) {
  return CheckRange("lease_ms", lease_ms, kLeaseMinMs, kLeaseMaxMs);
}
Status CheckRetention(int64_t retention_ms) {
  return CheckRange("retention_ms", retention_ms, kRetentionMinMs, kRetentionMaxMs);
}
Status CheckResult(const std::optional<std::string>& result) {
  if (!result.has_value() || result->size() <= kResultMax) return Status::Ok();
  return Status::InvalidArgument("result: at most " + std::to_string(kResultMax) + " bytes");
}
Status CheckFence(uint64_t fence) {
  return fence != 0 ? Status::Ok() : Status::InvalidArgument("fence: must not be 0");
}

Status CheckCommand(const ClaimCommand& claim) {
  ONCED_RETURN_IF_ERROR(CheckPrintable("fingerprint", claim.fingerprint, 0, kFingerprintMax));
  ONCED_RETURN_IF_ERROR(CheckPrintable("claim_id", claim.claim_id, 0, kClaimIdMax));
  ONCED_RETURN_IF_ERROR(CheckPrintable("holder", claim.holder, 0, kHolderMax));
  if (claim.local && claim.on_lapse != OnLapse::kUnknown) {
    return Status::InvalidArgument("on_lapse: a local run is unknown when it lapses");
  }
  ONCED_RETURN_IF_ERROR(CheckLease(claim.lease_ms));
  return CheckRetention(claim.retention_ms);
}
Status CheckCommand(const CompleteCommand& complete) {
  ONCED_RETURN_IF_ERROR(CheckFence(complete.fence));
  if (complete.retention_ms.has_value()) {
    ONCED_RETURN_IF_ERROR(CheckRetention(*complete.retention_ms));
  }
  return CheckResult(complete.result);
}
Status CheckCommand(const CompleteUnclaimedCommand& complete) {
  ONCED_RETURN_IF_ERROR(CheckPrintable("fingerprint", complete.fingerprint, 0, kFingerprintMax));
  ONCED_RETURN_IF_ERROR(CheckRetention(complete.retention_ms));
  return CheckResult(complete.result);
}
Status CheckCommand(const RenewCommand& renew) {
  ONCED_RETURN_IF_ERROR(CheckFence(renew.fence));
  return CheckLease(renew.lease_ms);
}
Status CheckCommand(const ReleaseCommand& release) { return CheckFence(release.fence); }
Status CheckCommand(const MarkUnknownCommand& mark) { return CheckFence(mark.fence); }
Status CheckCommand(const ResolveCommand& resolve) { return CheckResult(resolve.result); }
Status CheckCommand(const ForgetCommand& /*forget*/) { return Status::Ok(); }

// `begins`: the command may make a record where there was none.
int KeysChange(const Decision& decision, bool begins) {
  if (decision.write == Write::kErase) return -1;
  const bool made =
      decision.outcome == Outcome::kClaimed || decision.outcome == Outcome::kCompleted;
  return begins && made && decision.write == Write::kPut && decision.record->attempt == 1 ? 1 : 0;
}

Reply ReplyOf(Applied applied, bool begins) {
  const int keys_change = KeysChange(applied.decision, begins);
  // What a key erased by this very command was is nobody's business any more.
  if (applied.decision.write == Write::kErase) applied.decision.record.reset();
  return {.outcome = applied.decision.outcome,
          .record = std::move(applied.decision.record),
          .now_ms = applied.now_ms,
          .sequence = applied.sequence,
          .waiting = applied.waiting,
          .result_left_out = applied.result_left_out,
          .keys_change = keys_change};
}

// What a blocked caller sleeps on. Shared with the wake callback, which may outlive the wait.
struct Alarm {
  Mutex mutex;
  CondVar rung;
  bool ringing GUARDED_BY(mutex) = false;

  void Ring() {
    MutexLock lock(mutex);
    ringing = true;
    rung.NotifyOne();
  }
  void SleepFor(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    MutexLock lock(mutex);
    while (!ringing) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) break;
      rung.WaitFor(mutex, left);
    }
    ringing = false;
  }
};

}  // namespace

Status Ledger::Check(const Command& command) {
  return std::visit([](const auto& c) { return CheckCommand(c); }, command);
}

template <typename Answer>
Result<Answer> Ledger::PastGate(Result<Answer> answer) {
  if (answer.ok() && options_.wait_at_gate) {
    ONCED_RETURN_IF_ERROR(store_->WaitDurable(answer->sequence));
  }
  return answer;
}

template <typename Question>
auto Ledger::Patiently(const Question& ask) -> decltype(ask()) {
  if (!options_.wait_at_gate) return ask();
  const auto until = std::chrono::steady_clock::now() + kStallPatience;
  for (;;) {
    auto asked = ask();
    const bool stalled = !asked.ok() && asked.status().fault() == Fault::kUnavailable;
    if (!stalled || std::chrono::steady_clock::now() >= until) return asked;
    std::this_thread::sleep_for(kStallPause);  // nothing is held meanwhile
  }
}

std::optional<Reply> Ledger::Glance(const Key& key, const ClaimCommand& claim, Found* found,
                                    bool waits) {
  if (!found->record.has_value() || IsDead(found->record->DeadAtMs(), found->now_ms)) {
    return std::nullopt;
  }
  const bool may_change =
      found->record->state == State::kInFlight && (waits || found->record->Lapsed(found->now_ms));
  if (may_change) return std::nullopt;
  Decision decision = Decide(std::move(found->record), claim, Moment{.now_ms = found->now_ms});
  ONCED_CHECK(decision.write == Write::kNothing && decision.wake == Wake::kNobody);
  if (decision.outcome == Outcome::kReplay) replays_.Add(key, decision.record->fence);
  return Reply{.outcome = decision.outcome,
               .record = std::move(decision.record),
               .now_ms = found->now_ms,
               .sequence = found->sequence};
}

Reply Ledger::Told(const Key& key, Applied applied, bool begins) {
  if (applied.decision.outcome == Outcome::kReplay) {
    replays_.Add(key, applied.decision.record->fence);
  }
  return ReplyOf(std::move(applied), begins);
}

Result<Reply> Ledger::AskToClaim(const Key& key, const ClaimCommand& claim, const Waiter* waiter) {
  std::optional<Found> guess;
  if (store_->ReadIsCheap()) {
    Result<Found> found = store_->Read(key);
    if (!found.ok()) return found.status();
    std::optional<Reply> seen = Glance(key, claim, &*found, waiter != nullptr);
    if (seen.has_value()) return *std::move(seen);
    guess = std::move(*found);
  }
  Result<Applied> applied = store_->Update(
      key, kToBegin,
      [&claim](std::optional<Record> current, const Moment& moment) {
        return Decide(std::move(current), claim, moment);
      },
      std::move(guess), waiter);
  if (!applied.ok()) return applied.status();
  return Told(key, *std::move(applied), /*begins=*/true);
}

Result<Reply> Ledger::Ask(const Key& key, const Command& command) {
  Result<Applied> applied = store_->Update(
      key, NeedsOf(command),
      [&command](std::optional<Record> current, const Moment& moment) {
        return Decide(std::move(current), command, moment);
      },
      std::nullopt, nullptr);
  if (!applied.ok()) return applied.status();
  return Told(key, *std::move(applied), NeedsOf(command).fresh_fence);
}

Result<Reply> Ledger::Do(const Key& key, const Command& command, const Waiter* waiter) {
  if (const auto* claim = std::get_if<ClaimCommand>(&command)) return Claim(key, *claim, waiter);
  ONCED_RETURN_IF_ERROR(Check(command));
  return PastGate(Patiently([&] { return Ask(key, command); }));
}

Result<Reply> Ledger::Claim(const Key& key, const ClaimCommand& claim, const Waiter* waiter) {
  ONCED_RETURN_IF_ERROR(CheckCommand(claim));
  return PastGate(Patiently([&] { return AskToClaim(key, claim, waiter); }));
}
Result<Reply> Ledger::Complete(const Key& key, const CompleteCommand& complete) {
  return Do(key, complete);
}
Result<Reply> Ledger::CompleteUnclaimed(const Key& key, const CompleteUnclaimedCommand& complete) {
  return Do(key, complete);
}
Result<Reply> Ledger::Release(const Key& key, const ReleaseCommand& release) {
  return Do(key, release);
}
Result<Reply> Ledger::Renew(const Key& key, const RenewCommand& renew) { return Do(key, renew); }
Result<Reply> Ledger::MarkUnknown(const Key& key, const MarkUnknownCommand& mark) {
  return Do(key, mark);
}
Result<Reply> Ledger::Resolve(const Key& key, const ResolveCommand& resolve) {
  return Do(key, resolve);
}
Result<Reply> Ledger::Forget(const Key& key, const ForgetCommand& forget) {
  return Do(key, forget);
}

Result<Reply> Ledger::ClaimAndWait(const Key& key, const ClaimCommand& claim,
                                   std::chrono::milliseconds wait) {
  const auto alarm = std::make_shared<Alarm>();
  const std::unique_ptr<Waiter> waiter = NewWaiter(key, true, [alarm] { alarm->Ring(); });
  const auto until = std::chrono::steady_clock::now() + wait;
  for (;;) {
    Result<Reply> reply = Claim(key, claim, waiter.get());
    if (!reply.ok() || reply->outcome != Outcome::kInFlight || !reply->waiting) return reply;
    const std::chrono::milliseconds time = UntilNextAsk(*reply, until);
    if (time.count() <= 0) return reply;
    alarm->SleepFor(time);
  }
}

std::chrono::milliseconds Ledger::UntilNextAsk(const Reply& reply,
                                               std::chrono::steady_clock::time_point until) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  const std::chrono::milliseconds lease(reply.record->lease_until_ms - reply.now_ms);
  return std::min(left, lease.count() > 0 ? lease : kBehindAnother);
}

Result<std::vector<Reply>> Ledger::DoAll(std::span<const Operation> operations) {
  if (operations.empty() || operations.size() > kBatchMax) {
    return Status::InvalidArgument("operations: must be 1.." + std::to_string(kBatchMax));
  }
  std::vector<UpdateStep> steps;
  steps.reserve(operations.size());
  for (const Operation& operation : operations) {
    ONCED_RETURN_IF_ERROR(Check(operation.command));
    steps.push_back({.key = &operation.key,
                     .needs = NeedsOf(operation.command),
                     .decide = [&operation](std::optional<Record> current, const Moment& moment) {
                       return Decide(std::move(current), operation.command, moment);
                     }});
  }
  Result<std::vector<Applied>> applied = Patiently([&] { return store_->UpdateAll(steps); });
  if (!applied.ok()) return applied.status();
  std::vector<Reply> replies;
  replies.reserve(applied->size());
  for (size_t i = 0; i < applied->size(); ++i) {
    replies.push_back(ReplyOf(std::move((*applied)[i]), steps[i].needs.fresh_fence));
    if (replies.back().outcome == Outcome::kReplay) {
      replays_.Add(operations[i].key, replies.back().record->fence);
    }
  }
  if (options_.wait_at_gate) {
    ONCED_RETURN_IF_ERROR(store_->WaitDurable(replies.back().sequence));
  }
  return replies;
}

Result<Reply> Ledger::AskToExecute(const Key& key, const ExecuteOptions& options,
                                   std::span<const Key> effects, const ExecuteFunction& function) {
  const ClaimCommand claim{.fingerprint = options.fingerprint,
                           .lease_ms = 0,  // it ends in the step that begins it
                           .retention_ms = options.retention_ms,
                           .holder = options.holder};
  if (store_->ReadIsCheap()) {
    Result<Found> found = store_->Read(key);
    if (!found.ok()) return found.status();
    std::optional<Reply> seen = Glance(key, claim, &*found, /*waits=*/false);
    if (seen.has_value()) return *std::move(seen);
  }
  Result<Applied> applied = store_->UpdateWithEffects(
      key, kToBegin, effects,
      [&](std::optional<Record> current, const Moment& moment, Batch& batch) -> Result<Decision> {
        Decision claimed = Decide(std::move(current), claim, moment);
        if (claimed.outcome != Outcome::kClaimed) return claimed;
        Result<std::string> result = function(batch);
        if (!result.ok()) return result.status();
        ONCED_RETURN_IF_ERROR(CheckResult(*result));
        Decision completed = Decide(
            std::move(claimed.record),
            CompleteCommand{.fence = moment.fresh_fence, .result = std::move(*result)}, moment);
        ONCED_CHECK(completed.outcome == Outcome::kCompleted);
        // The lapsed run this one took over, if any, comes before it in the audit trail.
        completed.ended.insert(completed.ended.begin(), claimed.ended.begin(), claimed.ended.end());
        return completed;
      });
  if (!applied.ok()) return applied.status();
  return Told(key, *std::move(applied), /*begins=*/true);
}

Result<Reply> Ledger::Execute(const Key& key, const ExecuteOptions& options,
                              std::span<const Key> effects, const ExecuteFunction& function) {
  ONCED_RETURN_IF_ERROR(CheckPrintable("fingerprint", options.fingerprint, 0, kFingerprintMax));
  ONCED_RETURN_IF_ERROR(CheckPrintable("holder", options.holder, 0, kHolderMax));
  ONCED_RETURN_IF_ERROR(CheckRetention(options.retention_ms));
  return PastGate(Patiently([&] { return AskToExecute(key, options, effects, function); }));
}

Result<FoundReply> Ledger::Find(const Key& key, const Waiter* watcher) {
  Result<Found> found = store_->Read(key);
  if (!found.ok()) return found.status();
  FoundReply reply{.now_ms = found->now_ms, .sequence = found->sequence};
  const auto runs = [](const std::optional<Record>& record, int64_t now_ms) {
    return record.has_value() && record->state == State::kInFlight &&
           !IsDead(record->DeadAtMs(), now_ms);
  };
  const bool in_flight = runs(found->record, found->now_ms);
  if (watcher != nullptr && in_flight) {
    // Looking and lining up must be one step, or the end of the run could fall in between.
    Result<Applied> applied = store_->Update(
        key, Needs{},
        [&](std::optional<Record> current, const Moment& moment) {
          const bool still = runs(current, moment.now_ms);
          return Decision{.outcome = still ? Outcome::kInFlight : Outcome::kNotFound,
                          .record = std::move(current)};
        },
        std::move(*found), watcher);
    if (!applied.ok()) return applied.status();
    found->record = std::move(applied->decision.record);
    reply.now_ms = applied->now_ms;
    reply.sequence = applied->sequence;
    reply.waiting = applied->waiting;
  }
  if (found->record.has_value() && !IsDead(found->record->DeadAtMs(), reply.now_ms)) {
    reply.record = std::move(found->record);
    reply.replays = replays_.Of(key, reply.record->fence);
  }
  return PastGate(Result<FoundReply>(std::move(reply)));
}

Result<Page<ListedRecord>> Ledger::List(const ListQuery& query) {
  return PastGate(store_->List(query));
}

Result<Page<std::string>> Ledger::ReadEffect(const Key& key) {
  return PastGate(store_->ReadEffect(key));
}

Result<Page<ListedEffect>> Ledger::ListEffects(const ListQuery& query) {
  return PastGate(store_->ListEffects(query));
}

Result<Page<Run>> Ledger::History(const Key& key) {
  // The record first: a run that ends between the two reads is then in the rows.
  const Result<Found> found = store_->Read(key);
  if (!found.ok()) return found.status();
  Result<Page<Run>> page = store_->Runs(key);
  if (!page.ok()) return page;
  std::vector<Run>& runs = page->rows;
  const auto by_fence = [](const Run& a, const Run& b) { return a.fence < b.fence; };
  if (found->record.has_value() && !IsDead(found->record->DeadAtMs(), found->now_ms)) {
    Run open = Run::Of(*found->record, found->now_ms);
    const auto at = std::lower_bound(runs.begin(), runs.end(), open, by_fence);
    if (at == runs.end() || at->fence != open.fence) runs.insert(at, std::move(open));
  }
  page->sequence = std::max(page->sequence, found->sequence);
  return PastGate(std::move(page));
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// Ledger: idempotency as a library. Claim a key, complete it, and everybody who asks for it again
// gets the same answer; Execute does all of it, and the effect, in one write.
//
//   for one key, at most one execution is in progress, and after a recorded outcome it is never
//   run again until the retention ends.
//
// It checks what it is given against limits.h, runs Decide() through the Store, and by default
// waits at the commit gate, so that what it returns is as durable as the store's mode promises. The
// doors switch that off, register at the gate and go on.
//
// Threads: every call from any thread.
// Invariants: no call returns an answer that the gate would hold (unless wait_at_gate is off). An
// InvalidArgument names the field and changed nothing; an IoError means that the change may or may
// not have happened.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/key.h"
#include "engine/limits.h"
#include "engine/replay_counts.h"
#include "engine/status.h"
#include "engine/store.h"
#include "engine/transition.h"

namespace onced {

struct LedgerOptions {
  // Off: the caller passes a Reply's `sequence` to WhenDurable before it lets the answer out, and
  // itself asks again when a call is Unavailable.
  bool wait_at_gate = true;
};

// A store that would make a writer wait says Unavailable. The ledger asks it again, a pause apart,
// for so long; so does a caller with wait_at_gate off.
constexpr std::chrono::milliseconds kStallPatience{250};
constexpr std::chrono::milliseconds kStallPause{5};

struct Reply {
  Outcome outcome;
  std::optional<Record> record;  // as it is now; absent where there is none
  int64_t now_ms = 0;            // when it was judged
  uint64_t sequence = 0;         // may leave when this is durable
  bool waiting = false;          // the waiter given is in line; otherwise nobody will call it
  bool result_left_out = false;  // of a batch: ask for this key by itself
  int keys_change = 0;           // 1: a record where none was alive; -1: the record is gone
};

struct FoundReply {
  std::optional<Record> record;  // absent: no live record
  uint32_t replays = 0;          // of this run, since this process started
  int64_t now_ms = 0;
  uint64_t sequence = 0;
  bool waiting = false;
};

struct Operation {
  Key key;
  Command command;
};

struct ExecuteOptions {
  std::string fingerprint;
  int64_t retention_ms = kRetentionDefaultMs;
  std::string holder;
};
// Computes the result, and the effects on `batch`. Runs with the key's stripes held: it must only
// compute, never block, and never call the ledger. An error (or an exception) leaves no trace, and
// the next request may try again.
using ExecuteFunction = std::function<Result<std::string>(Batch& batch)>;

class Ledger {
 public:
  explicit Ledger(Store* store, LedgerOptions options = {}) : store_(store), options_(options) {}
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Each runs one command of transition.h on one key. With a `waiter` and outcome kInFlight the
  // caller is put in line in the same step (Reply::waiting tells), and asks again, with the same
  // waiter, when it is woken or at the earlier of its own deadline and the lease's end.
  Result<Reply> Claim(const Key& key, const ClaimCommand& claim, const Waiter* waiter = nullptr);
  Result<Reply> Complete(const Key& key, const CompleteCommand& complete);
  Result<Reply> CompleteUnclaimed(const Key& key, const CompleteUnclaimedCommand& complete);
  Result<Reply> Release(const Key& key, const ReleaseCommand& release);
  Result<Reply> Renew(const Key& key, const RenewCommand& renew);
  Result<Reply> MarkUnknown(const Key& key, const MarkUnknownCommand& mark);
  Result<Reply> Resolve(const Key& key, const ResolveCommand& resolve);
  Result<Reply> Forget(const Key& key, const ForgetCommand& forget);
  // Whichever of these `command` is; a waiter goes with a claim only.
  Result<Reply> Do(const Key& key, const Command& command, const Waiter* waiter = nullptr);

  // As Claim, but a duplicate in flight blocks until the run ends, for `wait` at most.
  Result<Reply> ClaimAndWait(const Key& key, const ClaimCommand& claim,
                             std::chrono::milliseconds wait);

  // How long one who waits until `until`, and was told `reply`, sleeps before the next ask; 0 or
  // less when the time is up. REQUIRES: reply.waiting.
  static std::chrono::milliseconds UntilNextAsk(const Reply& reply,
                                                std::chrono::steady_clock::time_point until);

  // Up to kBatchMax operations, in order, as one step and one write: a fault fails all of them.
  // Never waits for a run to end. Shows only results it replays, and
  // kBatchResultBytesMax of them; see Reply.
  Result<std::vector<Reply>> DoAll(std::span<const Operation> operations);

  // Claim, effects and result in one write. kCompleted: `function` has run. kReplay: it had run
  // before. kConflict, kInFlight and kUnknown as for Claim: it did not run.
  Result<Reply> Execute(const Key& key, const ExecuteOptions& options, std::span<const Key> effects,
                        const ExecuteFunction& function);
  Result<Page<std::string>> ReadEffect(const Key& key);
  Result<Page<ListedEffect>> ListEffects(const ListQuery& query);

  // `watcher`: put in line when the record is in flight, to ask again when the run has ended.
  Result<FoundReply> Find(const Key& key, const Waiter* watcher = nullptr);
  Result<Page<ListedRecord>> List(const ListQuery& query);
  // See Store. It does not wait at the gate: a number is nobody's answer.
  Result<LiveCount> CountLive(std::string_view tenant, const std::string& after) {
    return store_->CountLive(tenant, after);
  }
  // Oldest first, the open run last; also after the record is gone.
  Result<Page<Run>> History(const Key& key);

  // See Store.
  bool is_remote() const { return store_->IsRemote(); }
  // See Waiter. `claims` false: for Find.
  std::unique_ptr<Waiter> NewWaiter(const Key& key, bool claims, std::function<void()> wake) {
    return store_->NewWaiter(key, claims, std::move(wake));
  }
  bool IsDurable(uint64_t sequence) { return store_->IsDurable(sequence); }
  void WhenDurable(uint64_t sequence, std::function<void()> pass) {
    store_->WhenDurable(sequence, std::move(pass));
  }

  // InvalidArgument, naming the field, when a command says what limits.h forbids.
  static Status Check(const Command& command);

 private:
  Result<Reply> AskToClaim(const Key& key, const ClaimCommand& claim, const Waiter* waiter);
  Result<Reply> Ask(const Key& key, const Command& command);
  Result<Reply> AskToExecute(const Key& key, const ExecuteOptions& options,
                             std::span<const Key> effects, const ExecuteFunction& function);
  // An answer that changes nothing, found without taking the stripe.
  std::optional<Reply> Glance(const Key& key, const ClaimCommand& claim, Found* found, bool waits);
  // What an Update came to.
  Reply Told(const Key& key, Applied applied, bool begins);
  // Waits until the answer may leave, if this ledger waits.
  template <typename Answer>
  Result<Answer> PastGate(Result<Answer> answer);
  // Asks again while the store is stalled, for a bounded time, if this ledger waits.
  template <typename Question>
  auto Patiently(const Question& ask) -> decltype(ask());

  Store* const store_;
  const LedgerOptions options_;
  ReplayCounts replays_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// UpstreamRun: one execution of a claimed request: sent to the upstream when its claim is durable,
// its end recorded before anybody hears of it. It belongs to onced, not to the client who asked:
// who hangs up does not end it. UpstreamRuns: all that are under way, their leases renewed.
//
// Threads: Begin and Ended from any; the events come on the upstreams' thread. A remote store is
// asked on threads of their own, and what it said is heard on the upstreams' thread again.
// Invariants: 1. Nothing is sent before the claim is durable. 2. A run ends in one of completed,
// released, unknown, by what is known of its call and nothing else, once. 3. An answer that does
// not fit is passed on while it comes, after its key was settled without its body. 4. UpstreamRuns
// outlives the listener, and, unless Stop said false, every callback that the gate holds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ledger.h"
#include "engine/mutex.h"
#include "server/access/key_quota.h"
#include "server/gateway/answer_policy.h"
#include "server/gateway/breaker.h"
#include "server/gateway/telling.h"
#include "server/gateway/telling_box.h"
#include "server/gateway/upstream.h"
#include "server/operations/log_event.h"

namespace onced {

namespace wire {
class WorkPool;
}
class UpstreamRuns;

struct UpstreamRunTask {
  std::shared_ptr<const Route> route;
  Key key;
  uint64_t fence = 0;
  uint64_t sequence = 0;  // of the claim
  Breaker::Pass breaker_pass = Breaker::kNewest;
  UpstreamRequest request;
};

class UpstreamRun : public CallEvents, public std::enable_shared_from_this<UpstreamRun> {
 public:
  UpstreamRun(UpstreamRuns* runs, UpstreamRunTask task);
  ~UpstreamRun() override;

  // What its client is told, when the run has ended, or its large answer has begun. A second client
  // never asks: it claims, and gets the stored answer.
  TellingBox& box() { return box_; }
  // Its client has gone.
  void Abandon() EXCLUDES(mutex_);

  void OnTaken(uint64_t call) override { call_ = call; }
  void OnHead(int status, HeaderList headers, int64_t length) override;
  bool OnBody(std::string_view bytes) override;
  void OnEnd(CallEnd end, std::string why) override;

 private:
  friend class UpstreamRuns;
  const Key& key() const { return task_.key; }
  void Start();
  // Whether its lease is to be renewed now; the next time only a while later.
  bool RenewIsDue(std::chrono::steady_clock::time_point now);
  RenewCommand Renewal() const;
  // Or at the next look. A stale fence is found out at the end.
  void RenewalFailed() { renewed_ -= task_.route->lease / 3; }
  void Charge(size_t bytes);
  void BecomeLarge() EXCLUDES(mutex_);
  void JudgeAnswer();
  void Fail(Command command, wire::Problem problem);
  std::string Stored();
  void Settled(const Result<Reply>& reply) EXCLUDES(mutex_);
  Telling OwnAnswer(const Reply& reply) EXCLUDES(mutex_);
  std::shared_ptr<wire::Pipe> pipe() EXCLUDES(mutex_);

  UpstreamRuns* const runs_;
  UpstreamRunTask task_;

  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();

  // On the upstreams' thread only.
  std::chrono::steady_clock::time_point renewed_ = begun_;
  size_t charged_ = 0;
  Upstreams::CallId call_ = 0;
  int status_ = 0;
  HeaderList headers_;
  AnswerPolicy policy_;
  Keep keep_ = Keep::kStore;
  std::string body_;
  int64_t length_ = -1;
  bool large_ = false;                    // passed on while it comes
  bool settled_ = false;                  // the key is
  std::optional<wire::Problem> failure_;  // told instead of an answer

  TellingBox box_;
  Mutex mutex_;
  std::shared_ptr<wire::Pipe> pipe_ GUARDED_BY(mutex_);
};

struct RunTerms {
  KeyQuota* quota = nullptr;              // hears of the keys that end; may be absent
  size_t memory_max = size_t{256} << 20;  // of bodies; an answer beyond it is passed on as it comes
  Report report;
};

class UpstreamRuns {
 public:
  // `routes`: as for Expect.
  UpstreamRuns(Ledger* ledger, std::unique_ptr<Upstreams> upstreams,
               const std::vector<Route>& routes, RunTerms terms);
  ~UpstreamRuns();
  UpstreamRuns(const UpstreamRuns&) = delete;
  UpstreamRuns& operator=(const UpstreamRuns&) = delete;

  // Runs of these may come now: leases are looked after as often as the shortest needs.
  void Expect(const std::vector<Route>& routes);

  // REQUIRES: the key was claimed with task.fence.
  std::shared_ptr<UpstreamRun> Begin(UpstreamRunTask task) EXCLUDES(mutex_);

  // False, and nothing, once the calls have been ended; as are the next two, which run a task on
  // the upstreams' thread, soon, or not before `after`.
  bool Call(UpstreamRequest request, std::shared_ptr<CallEvents> events) EXCLUDES(mutex_);
  bool Post(std::function<void()> task) EXCLUDES(mutex_);
  bool PostAfter(std::chrono::milliseconds after, std::function<void()> task) EXCLUDES(mutex_);
  // For what runs there.
  Upstreams& upstreams() { return *upstreams_; }

  uint64_t ended_unknown() const { return ended_unknown_.load(std::memory_order_relaxed); }
  size_t under_way() const EXCLUDES(mutex_);
  // How long a run of the route takes, as the last ones went; 0 while there was none.
  std::chrono::milliseconds UsualTime(const Route& route) const EXCLUDES(usual_mutex_);
  // Whether the bodies that runs keep, sent or come, and `more`, are more than there may be.
  bool full(size_t more = 0) const {
    return memory_.load(std::memory_order_relaxed) + more > terms_.memory_max;
  }

  // Lets what runs end for `patience` at most, then ends the calls: their runs are unknown. False
  // when some are left all the same: the storage does not answer. (Their claims are not yet
  // durable, so nothing was sent; or it is remote, and is still being asked.)
  bool Stop(std::chrono::milliseconds patience) EXCLUDES(mutex_);

 private:
  friend class UpstreamRun;
  void Remove(const UpstreamRun* run) EXCLUDES(mutex_);
  void RenewAll() EXCLUDES(mutex_);
  void RenewSoon(uint64_t looker);
  // Whether a try is worth repeating: the store is busy, or its disk is full. A write that met the
  // full disk may be there after a crash, but nobody sees it before, so the same command, by the
  // same fence, is safe.
  static bool MayPass(const Status& fault);
  struct Settling {
    std::shared_ptr<UpstreamRun> run;
    Command command;
    std::chrono::steady_clock::time_point until;
  };
  // What a remote store was asked, and has answered.
  struct Heard {
    std::vector<Settling> asked;
    Result<std::vector<Reply>> replies;
    bool renewals = false;
  };
  static std::vector<Operation> OperationsOf(std::span<const Settling> some);
  void Settle(std::shared_ptr<UpstreamRun> run, Command command);
  void SettleAll() EXCLUDES(mutex_);
  void SettleSome(std::span<Settling> some);
  void Decided(std::span<Settling> some, Result<std::vector<Reply>> replies);
  void SettleAgain();
  void RenewRemotely(const std::vector<std::shared_ptr<UpstreamRun>>& all);
  void AskRemotely(std::vector<Settling> some, bool renewals) EXCLUDES(mutex_);
  void Hear() EXCLUDES(mutex_);
  bool RemoteIsBusy() const EXCLUDES(mutex_);
  bool AwaitRemote(std::chrono::steady_clock::time_point until) EXCLUDES(mutex_);
  bool ended() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return ended_;
  }
  void Took(const Route& route, std::chrono::milliseconds time) EXCLUDES(usual_mutex_);

  Ledger* const ledger_;
  std::atomic<std::chrono::milliseconds> look_;
  std::atomic<uint64_t> looker_{0};  // which of those that look again and again is to go on
  const RunTerms terms_;
  std::atomic<size_t> memory_{0};
  std::atomic<uint64_t> ended_unknown_{0};
  std::vector<Settling> settling_;  // of this turn; on the upstreams' thread only, as is
  std::vector<Settling> again_;     // what the store, or its full disk, would not take just now
  std::chrono::milliseconds again_after_{0};
  mutable Mutex usual_mutex_;
  std::unordered_map<std::string, int64_t> usual_ms_ GUARDED_BY(usual_mutex_);  // by route name
  mutable Mutex mutex_;
  CondVar none_left_;
  bool ended_ GUARDED_BY(mutex_) = false;
  std::unordered_map<const UpstreamRun*, std::shared_ptr<UpstreamRun>> under_way_
      GUARDED_BY(mutex_);
  size_t asked_ GUARDED_BY(mutex_) = 0;  // of AskRemotely, and not yet in heard_
  std::vector<Heard> heard_ GUARDED_BY(mutex_);
  std::unique_ptr<wire::WorkPool> pool_;  // with a remote store
  // Last: its end ends the calls, which use the above, and this pointer.
  Upstreams* const upstreams_;
  std::unique_ptr<Upstreams> owned_;
};

}  // namespace onced

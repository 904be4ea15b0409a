// SPDX-License-Identifier: MIT
// All runs: who is under way, whose lease is due, whose end is to be recorded.
#include <algorithm>
#include <iterator>
#include <utility>

#include "server/gateway/upstream_run.h"
#include "server/wire/work_pool.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long the end of a run is tried to be recorded while the store would not take a write: RocksDB
// looks for room every five seconds. Nobody sleeps meanwhile, and giving up means not to know.
constexpr std::chrono::seconds kSettlePatience{10};
constexpr milliseconds kFullPause{100};
constexpr milliseconds kLookMin{50}, kLookMax{1'000};
constexpr int64_t kUsualOf = 8;  // runs
constexpr size_t kSettledAtOnce = 64;
constexpr size_t kRemoteThreads = 2;

// Often enough that no lease is renewed late.
milliseconds LookOf(const std::vector<Route>& routes) {
  milliseconds look = kLookMax;
  for (const Route& route : routes) look = std::min(look, route.lease / 6);
  return std::max(look, kLookMin);
}

}  // namespace

UpstreamRuns::UpstreamRuns(Ledger* ledger, std::unique_ptr<Upstreams> upstreams,
                           const std::vector<Route>& routes, RunTerms terms)
    : ledger_(ledger),
      look_(LookOf(routes)),
      terms_(std::move(terms)),
      upstreams_(upstreams.get()),
      owned_(std::move(upstreams)) {
  if (ledger_->is_remote()) pool_ = std::make_unique<wire::WorkPool>(kRemoteThreads, SIZE_MAX);
  RenewSoon(0);
}

UpstreamRuns::~UpstreamRuns() {
  if (pool_ != nullptr && !ended()) (void)Stop(milliseconds(0));
}

bool UpstreamRuns::MayPass(const Status& fault) {
  return fault.fault() == Fault::kUnavailable || fault.fault() == Fault::kFull ||
         fault.fault() == Fault::kNoSpace;
}

// A run that is under way may be of a route that is gone: never less often than before.
void UpstreamRuns::Expect(const std::vector<Route>& routes) {
  {
    MutexLock lock(usual_mutex_);
    std::erase_if(usual_ms_, [&](const auto& usual) {
      return std::none_of(routes.begin(), routes.end(),
                          [&](const Route& route) { return route.name == usual.first; });
    });
  }
  const milliseconds look = LookOf(routes);
  if (look >= look_.load()) return;
  look_ = look;
  RenewSoon(++looker_);
}

// Whoever has looked until now, maybe too seldom, ends with the next look.
void UpstreamRuns::RenewSoon(uint64_t looker) {
  (void)PostAfter(look_, [this, looker] {
    if (looker != looker_) return;
    RenewAll();
    RenewSoon(looker);
  });
}

milliseconds UpstreamRuns::UsualTime(const Route& route) const {
  MutexLock lock(usual_mutex_);
  const auto usual = usual_ms_.find(route.name);
  return milliseconds(usual == usual_ms_.end() ? 0 : usual->second);
}

void UpstreamRuns::Took(const Route& route, milliseconds time) {
  MutexLock lock(usual_mutex_);
  int64_t& usual = usual_ms_[route.name];
  usual = usual == 0 ? time.count() : usual + (time.count() - usual) / kUsualOf;
}

// Under the mutex, so that the calls do not end between; each only puts something in a queue.
bool UpstreamRuns::Call(UpstreamRequest request, std::shared_ptr<CallEvents> events) {
  MutexLock lock(mutex_);
  if (ended_) return false;
  (void)upstreams_->Call(std::move(request), std::move(events));
  return true;
}

bool UpstreamRuns::Post(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (ended_) return false;
  upstreams_->Post(std::move(task));
  return true;
}

bool UpstreamRuns::PostAfter(milliseconds after, std::function<void()> task) {
  MutexLock lock(mutex_);
  if (ended_) return false;
  upstreams_->PostAfter(after, std::move(task));
  return true;
}

std::shared_ptr<UpstreamRun> UpstreamRuns::Begin(UpstreamRunTask task) {
  auto run = std::make_shared<UpstreamRun>(this, std::move(task));
  {
    MutexLock lock(mutex_);
    under_way_.emplace(run.get(), run);
  }
  run->Start();
  return run;
}

// Those of one turn of the loop together: one write, and one look at each client's loop.
void UpstreamRuns::Settle(std::shared_ptr<UpstreamRun> run, Command command) {
  settling_.push_back({.run = std::move(run),
                       .command = std::move(command),
                       .until = steady_clock::now() + kSettlePatience});
  if (settling_.size() > 1) return;
  if (!Post([this] { SettleAll(); })) SettleAll();
}

void UpstreamRuns::SettleAll() {
  // Those that end meanwhile go together, when what is asked now is heard.
  if (pool_ != nullptr && RemoteIsBusy()) return;
  std::vector<Settling> all = std::exchange(settling_, {});
  for (size_t begin = 0; begin < all.size(); begin += kSettledAtOnce) {
    const size_t end = std::min(begin + kSettledAtOnce, all.size());
    SettleSome(std::span(all).subspan(begin, end - begin));
  }
  // Ended meanwhile: Stop tries them once more.
  if (!again_.empty()) (void)PostAfter(again_after_, [this] { SettleAgain(); });
}

std::vector<Operation> UpstreamRuns::OperationsOf(std::span<const Settling> some) {
  std::vector<Operation> operations;
  operations.reserve(some.size());
  for (const Settling& one : some) operations.push_back({one.run->key(), one.command});
  return operations;
}

void UpstreamRuns::SettleSome(std::span<Settling> some) {
  if (pool_ != nullptr && !ended()) {
    std::vector<Settling> moved(std::make_move_iterator(some.begin()),
                                std::make_move_iterator(some.end()));
    return AskRemotely(std::move(moved), /*renewals=*/false);
  }
  Decided(some, ledger_->DoAll(OperationsOf(some)));
}

void UpstreamRuns::Decided(std::span<Settling> some, Result<std::vector<Reply>> replies) {
  // One that cannot be kept must not take the others with it.
  if (!replies.ok() && replies.status().fault() == Fault::kInvalidArgument && some.size() > 1) {
    for (size_t i = 0; i < some.size(); ++i) SettleSome(some.subspan(i, 1));
    return;
  }
  const bool may_pass = !replies.ok() && MayPass(replies.status()) && !ended();
  if (may_pass) {
    const bool soon = replies.status().fault() == Fault::kUnavailable && pool_ == nullptr;
    again_after_ = soon ? kStallPause : kFullPause;
  }
  for (size_t i = 0; i < some.size(); ++i) {
    if (may_pass && steady_clock::now() < some[i].until) {
      again_.push_back(std::move(some[i]));
    } else {
      const int change = replies.ok() ? (*replies)[i].keys_change : 0;
      if (change != 0 && terms_.quota != nullptr) {
        terms_.quota->Change(some[i].run->key().tenant(), change);
      }
      some[i].run->Settled(replies.ok() ? Result<Reply>(std::move((*replies)[i]))
                                        : replies.status());
    }
  }
}

void UpstreamRuns::SettleAgain() {
  for (Settling& one : std::exchange(again_, {})) settling_.push_back(std::move(one));
  SettleAll();
}

void UpstreamRuns::Remove(const UpstreamRun* run) {
  std::shared_ptr<UpstreamRun> removed;  // let go of outside of the mutex
  MutexLock lock(mutex_);
  const auto found = under_way_.find(run);
  if (found == under_way_.end()) return;
  removed = std::move(found->second);
  under_way_.erase(found);
  if (under_way_.empty()) none_left_.NotifyAll();
}

size_t UpstreamRuns::under_way() const {
  MutexLock lock(mutex_);
  return under_way_.size();
}

void UpstreamRuns::RenewAll() {
  std::vector<std::shared_ptr<UpstreamRun>> all;
  {
    MutexLock lock(mutex_);
    all.reserve(under_way_.size());
    for (const auto& [unused, run] : under_way_) all.push_back(run);
  }
  if (pool_ != nullptr) return RenewRemotely(all);
  const steady_clock::time_point now = steady_clock::now();
  for (const std::shared_ptr<UpstreamRun>& run : all) {
    if (!run->RenewIsDue(now)) continue;
    const Result<Reply> renewed = ledger_->Renew(run->key(), run->Renewal());
    if (!renewed.ok() && MayPass(renewed.status())) run->RenewalFailed();
  }
}

void UpstreamRuns::RenewRemotely(const std::vector<std::shared_ptr<UpstreamRun>>& all) {
  const steady_clock::time_point now = steady_clock::now();
  std::vector<Settling> due;
  for (const std::shared_ptr<UpstreamRun>& run : all) {
    if (!run->RenewIsDue(now)) continue;
    due.push_back({.run = run, .command = run->Renewal(), .until = now});
    if (due.size() == kSettledAtOnce) AskRemotely(std::exchange(due, {}), /*renewals=*/true);
  }
  if (!due.empty()) AskRemotely(std::move(due), /*renewals=*/true);
}

bool UpstreamRuns::RemoteIsBusy() const {
  MutexLock lock(mutex_);
  return asked_ >= kRemoteThreads;
}

// The upstreams' thread must go on meanwhile.
void UpstreamRuns::AskRemotely(std::vector<Settling> some, bool renewals) {
  {
    MutexLock lock(mutex_);
    ++asked_;
  }
  pool_->Post([this, some = std::move(some), renewals]() mutable {
    Result<std::vector<Reply>> replies = ledger_->DoAll(OperationsOf(some));
    {
      MutexLock lock(mutex_);
      heard_.push_back(
          {.asked = std::move(some), .replies = std::move(replies), .renewals = renewals});
      // Under the mutex: when nothing more is asked, this may go.
      if (!ended_) upstreams_->Post([this] { Hear(); });
      --asked_;
      none_left_.NotifyAll();
    }
  });
}

void UpstreamRuns::Hear() {
  std::vector<Heard> heard;
  {
    MutexLock lock(mutex_);
    heard.swap(heard_);
  }
  for (Heard& one : heard) {
    if (!one.renewals) {
      Decided(one.asked, std::move(one.replies));
    } else if (!one.replies.ok() && MayPass(one.replies.status())) {
      for (const Settling& renewal : one.asked) renewal.run->RenewalFailed();
    }
  }
  SettleAll();
}

bool UpstreamRuns::AwaitRemote(steady_clock::time_point until) {
  MutexLock lock(mutex_);
  while (asked_ > 0) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) return false;
    none_left_.WaitFor(mutex_, left);
  }
  return true;
}

bool UpstreamRuns::Stop(milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  {
    MutexLock lock(mutex_);
    while (!under_way_.empty()) {
      const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
      if (left.count() <= 0) break;
      none_left_.WaitFor(mutex_, left);
    }
    ended_ = true;
  }
  owned_.reset();
  if (!AwaitRemote(until + kSettlePatience)) return false;
  Hear();
  // Its thread is gone, and with it what it had put off to its next turn.
  SettleAgain();
  return under_way() == 0;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/gateway/upstream_run.h"

#include <algorithm>
#include <utility>

#include "server/gateway/breaker.h"
#include "server/gateway/header_rules.h"
#include "server/gateway/http_date.h"

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

// Often enough that no lease is renewed late.
milliseconds LookOf(const std::vector<Route>& routes) {
  milliseconds look = kLookMax;
  for (const Route& route : routes) look = std::min(look, route.lease / 6);
  return std::max(look, kLookMin);
}

const char* StatusWord(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCompleted:
      return "created";
    case Outcome::kReleased:
      return "released";
    case Outcome::kMarkedUnknown:
      return "unknown";
    default:
      return "superseded";  // an operator has decided meanwhile
  }
}

wire::Problem NotKnown() {
  return {.code = "idempotency_outcome_unknown",
          .detail =
              "the request was sent on, and no whole answer came; it will not be sent again "
              "until this is resolved"};
}

wire::Problem NotRecorded() {
  return {.code = "idempotency_outcome_unknown",
          .detail =
              "the request was sent on, and how that ended could not be recorded; it will not be "
              "sent again until this is resolved"};
}

// Worth another try: the store is busy, or its disk is full. A write that met the full disk may be
// there after a crash, but nobody sees it before, so the same command, by the same fence, is safe.
bool MayPass(const Status& fault) {
  return fault.fault() == Fault::kUnavailable || fault.fault() == Fault::kFull ||
         fault.fault() == Fault::kNoSpace;
}

}  // namespace

UpstreamRun::UpstreamRun(UpstreamRuns* runs, UpstreamRunTask task)
    : runs_(runs), task_(std::move(task)) {
  Charge(task_.request.body.size());
}

UpstreamRun::~UpstreamRun() { runs_->memory_.fetch_sub(charged_, std::memory_order_relaxed); }

void UpstreamRun::Charge(size_t bytes) {
  charged_ += bytes;
  runs_->memory_.fetch_add(bytes, std::memory_order_relaxed);
}

void UpstreamRun::Start() {
  runs_->ledger_->WhenDurable(task_.sequence, [self = shared_from_this()] {
    (void)self->runs_->Call(std::move(self->task_.request), self);
  });
}

void UpstreamRun::RenewIfDue(steady_clock::time_point now) {
  const milliseconds lease = task_.route->lease;
  if (settled_ || now - renewed_ < lease / 3) return;
  renewed_ = now;
  const Result<Reply> renewed =
      runs_->ledger_->Renew(task_.key, {.fence = task_.fence, .lease_ms = lease.count()});
  // Or at the next look. A stale fence is found out at the end.
  if (!renewed.ok() && MayPass(renewed.status())) renewed_ -= lease / 3;
}

void UpstreamRun::Abandon() {
  if (!box_.Drop()) return;  // what it was told is the connection's now
  if (const std::shared_ptr<wire::Pipe> pipe = this->pipe()) pipe->Abandon();
}

std::shared_ptr<wire::Pipe> UpstreamRun::pipe() {
  MutexLock lock(mutex_);
  return pipe_;
}

void UpstreamRun::OnHead(int status, HeaderList headers, int64_t length) {
  status_ = status;
  policy_ = PolicyIn(headers);
  headers_ = HeadersForClient(std::move(headers));
  keep_ = policy_.keep.value_or(KeepOf(*task_.route, status));
  length_ = length;
  const auto told = static_cast<uint64_t>(length < 0 ? 0 : length);
  if (told > task_.route->stored_body_max) {
    BecomeLarge();
  } else {
    body_.reserve(std::min<uint64_t>(told, kAnswerRoom));
  }
}

bool UpstreamRun::OnBody(std::string_view bytes) {
  const bool fits = body_.size() + bytes.size() <= task_.route->stored_body_max;
  if (!large_ && (!fits || runs_->full(bytes.size()))) BecomeLarge();
  if (!large_) {
    Charge(bytes.size());
    body_.append(bytes);
    return true;
  }
  const std::shared_ptr<wire::Pipe> pipe = this->pipe();
  return pipe == nullptr || pipe->abandoned() || pipe->Write(bytes);
}

// What is known of it decides the key now; the rest is only passed on.
void UpstreamRun::BecomeLarge() {
  large_ = true;
  policy_.store_body = false;
  auto pipe = std::make_shared<wire::Pipe>(kAnswerRoom);
  pipe->OnRoom([weak = weak_from_this(), runs = runs_] {
    (void)runs->Post([weak, runs] {
      if (const std::shared_ptr<UpstreamRun> self = weak.lock())
        runs->upstreams_->Resume(self->call_);
    });
  });
  (void)pipe->Write(std::exchange(body_, {}));
  {
    MutexLock lock(mutex_);
    pipe_ = pipe;
  }
  if (box_.dropped()) pipe->Abandon();  // by now, or Abandon sees the pipe
  JudgeAnswer();
}

void UpstreamRun::OnEnd(CallEnd end, std::string why) {
  const auto took = std::chrono::ceil<milliseconds>(steady_clock::now() - begun_);
  if (end == CallEnd::kWhole) runs_->Took(*task_.route, took);
  Breaker& breaker = *task_.route->breaker;
  if (end == CallEnd::kWhole && !SaysItCannotServe(status_)) {
    breaker.Succeeded(steady_clock::now(), task_.breaker_pass);
  } else {
    breaker.Failed(steady_clock::now(), task_.breaker_pass);
  }
  if (!why.empty()) {
    runs_->terms_.report(LogEvent::kUpstreamFault, task_.route->name + ": " + why);
  }
  if (large_) {
    const std::shared_ptr<wire::Pipe> pipe = this->pipe();
    if (pipe != nullptr) {
      pipe->Close(end == CallEnd::kWhole ? wire::Pipe::End::kWhole : wire::Pipe::End::kBroken);
    }
    if (settled_) runs_->Remove(this);
    large_ = false;
    return;
  }
  switch (end) {
    case CallEnd::kWhole:
      return JudgeAnswer();
    case CallEnd::kNotSent:
      return Fail(ReleaseCommand{.fence = task_.fence}, UpstreamUnreachable());
    case CallEnd::kUnknown:
      return Fail(MarkUnknownCommand{.fence = task_.fence}, NotKnown());
  }
}

void UpstreamRun::Fail(Command command, wire::Problem problem) {
  failure_ = std::move(problem);
  runs_->Settle(shared_from_this(), std::move(command));
}

void UpstreamRun::JudgeAnswer() {
  Command command;
  switch (keep_) {
    case Keep::kRelease:
      command = ReleaseCommand{.fence = task_.fence};
      break;
    case Keep::kUnknown:
      command = MarkUnknownCommand{.fence = task_.fence};
      break;
    case Keep::kStore:
      command = CompleteCommand{
          .fence = task_.fence,
          .result = Stored(),
          .retention_ms = policy_.retention.value_or(task_.route->retention).count()};
      break;
  }
  runs_->Settle(shared_from_this(), std::move(command));
}

std::string UpstreamRun::Stored() {
  // A status that is none (RFC 9110, 15) cannot be told again.
  constexpr int kLastStatus = 599;
  const bool keeps = policy_.store_head && status_ <= kLastStatus;
  StoredAnswer answer{.status = std::min(status_, kLastStatus), .consumed = !keeps};
  if (keeps) {
    answer.headers = HeadersToKeep(headers_, task_.route->replay_headers);
    answer.body_omitted = !policy_.store_body || !task_.route->store_body;
    if (!answer.body_omitted) answer.body.swap(body_);  // for as long as it is written
  }
  std::string stored = answer.Encode();
  if (keeps && !answer.body_omitted) answer.body.swap(body_);
  return stored;
}

void UpstreamRun::Settled(const Result<Reply>& reply) {
  settled_ = true;
  if (reply.ok() && reply->outcome == Outcome::kUnknown) ++runs_->ended_unknown_;
  if (reply.ok()) {
    box_.Put(OwnAnswer(*reply));
  } else {
    // What the upstream did, it did; but it must not be told as if it were remembered.
    runs_->terms_.report(LogEvent::kStorageFault,
                         "the end of a run could not be recorded: " + reply.status().message());
    box_.Put(ProblemTelling(task_.route->profile, NotRecorded()));
  }
  if (!large_) runs_->Remove(this);
}

Telling UpstreamRun::OwnAnswer(const Reply& reply) {
  Telling telling;
  if (failure_.has_value()) {
    telling = ProblemTelling(task_.route->profile, *failure_);
  } else {
    telling = {.status = status_, .headers = headers_, .body = std::move(body_), .pipe = pipe()};
    if (telling.pipe != nullptr && length_ >= 0) telling.length = static_cast<uint64_t>(length_);
  }
  telling.headers.emplace_back("Idempotency-Status", StatusWord(reply.outcome));
  if (reply.outcome == Outcome::kCompleted) {
    telling.headers.emplace_back("Idempotency-Expires", HttpDate(reply.record->DeadAtMs()));
  }
  telling.sequence = reply.sequence;
  return telling;
}

UpstreamRuns::UpstreamRuns(Ledger* ledger, std::unique_ptr<Upstreams> upstreams,
                           const std::vector<Route>& routes, RunTerms terms)
    : ledger_(ledger),
      look_(LookOf(routes)),
      terms_(std::move(terms)),
      upstreams_(upstreams.get()),
      owned_(std::move(upstreams)) {
  RenewSoon(0);
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
  std::vector<Settling> all = std::exchange(settling_, {});
  for (size_t begin = 0; begin < all.size(); begin += kSettledAtOnce) {
    const size_t end = std::min(begin + kSettledAtOnce, all.size());
    SettleSome(std::span(all).subspan(begin, end - begin));
  }
  // Ended meanwhile: Stop tries them once more.
  if (!again_.empty()) (void)PostAfter(again_after_, [this] { SettleAgain(); });
}

void UpstreamRuns::SettleSome(std::span<Settling> some) {
  std::vector<Operation> operations;
  operations.reserve(some.size());
  for (const Settling& one : some) operations.push_back({one.run->key(), one.command});
  Result<std::vector<Reply>> replies = ledger_->DoAll(operations);
  // One that cannot be kept must not take the others with it.
  if (!replies.ok() && replies.status().fault() == Fault::kInvalidArgument && some.size() > 1) {
    for (size_t i = 0; i < some.size(); ++i) SettleSome(some.subspan(i, 1));
    return;
  }
  const bool may_pass = !replies.ok() && MayPass(replies.status()) && !ended();
  if (may_pass) {
    again_after_ = replies.status().fault() == Fault::kUnavailable ? kStallPause : kFullPause;
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
  const steady_clock::time_point now = steady_clock::now();
  for (const std::shared_ptr<UpstreamRun>& run : all) run->RenewIfDue(now);
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
  // Its thread is gone, and with it what it had put off to its next turn.
  SettleAgain();
  return under_way() == 0;
}

}  // namespace onced

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

bool UpstreamRun::RenewIsDue(steady_clock::time_point now) {
  if (settled_ || now - renewed_ < task_.route->lease / 3) return false;
  renewed_ = now;
  return true;
}

RenewCommand UpstreamRun::Renewal() const {
  return {.fence = task_.fence, .lease_ms = task_.route->lease.count()};
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

}  // namespace onced

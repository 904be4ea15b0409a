// SPDX-License-Identifier: MIT
#include "server/gateway/breaker.h"

#include <algorithm>

namespace onced {
namespace {

using std::chrono::milliseconds;

}  // namespace

std::optional<milliseconds> Breaker::RefusedFor(TimePoint now, Pass* pass) {
  MutexLock lock(mutex_);
  if (state_ == State::kClosed) {
    if (pass != nullptr) *pass = pass_;
    return std::nullopt;
  }
  // The probe's place too comes free by time: who was let through may never tell how it ended.
  const bool waits = state_ == State::kOpen || probing_;
  const auto left = std::chrono::ceil<milliseconds>(since_ + limits_.open_for - now);
  if (waits && left.count() > 0) return left;
  state_ = State::kHalfOpen;
  probing_ = true;
  since_ = now;
  ++pass_;
  if (pass != nullptr) *pass = pass_;
  return std::nullopt;
}

void Breaker::Succeeded(TimePoint now, Pass pass) {
  MutexLock lock(mutex_);
  if (pass != kNewest && pass != pass_) return;
  // Open: of a call that was let through before it opened, and no sign that it is over.
  if (state_ == State::kOpen) return;
  if (state_ == State::kHalfOpen) {
    Close(now);
    return;
  }
  Count(now, /*failed=*/false);
}

void Breaker::Failed(TimePoint now, Pass pass) {
  MutexLock lock(mutex_);
  if (pass != kNewest && pass != pass_) return;
  if (state_ == State::kOpen) return;
  if (state_ == State::kHalfOpen) {
    Open(now);
    return;
  }
  Count(now, /*failed=*/true);
  const bool too_many =
      calls_ >= limits_.rate_calls_min && failures_ >= limits_.failure_rate * calls_;
  if (in_row_ >= limits_.failures_in_row || too_many) Open(now);
}

void Breaker::Forgotten(TimePoint now, Pass pass) {
  MutexLock lock(mutex_);
  if (pass != kNewest && pass != pass_) return;
  if (state_ != State::kHalfOpen || !probing_) return;
  // The next to ask is the probe.
  probing_ = false;
  since_ = now;
}

Breaker::State Breaker::state(TimePoint now) const {
  MutexLock lock(mutex_);
  const bool time_is_up = now >= since_ + limits_.open_for;
  return state_ == State::kOpen && time_is_up ? State::kHalfOpen : state_;
}

uint64_t Breaker::opened() const {
  MutexLock lock(mutex_);
  return opened_;
}

void Breaker::Count(TimePoint now, bool failed) {
  if (calls_ == 0 || now - window_from_ >= limits_.window) {
    window_from_ = now;
    calls_ = 0;
    failures_ = 0;
  }
  ++calls_;
  failures_ += failed ? 1 : 0;
  in_row_ = failed ? in_row_ + 1 : 0;
}

void Breaker::Open(TimePoint now) {
  state_ = State::kOpen;
  ++pass_;
  since_ = now;
  probing_ = false;
  ++opened_;
}

void Breaker::Close(TimePoint now) {
  state_ = State::kClosed;
  ++pass_;
  since_ = now;
  probing_ = false;
  in_row_ = 0;
  calls_ = 0;
  failures_ = 0;
}

}  // namespace onced

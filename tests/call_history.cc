// SPDX-License-Identifier: MIT
#include "tests/call_history.h"

#include <chrono>
#include <utility>

namespace onced {
namespace {

constexpr int64_t kNsInMs = 1'000'000;

const char* NameOf(Asked what) {
  static constexpr const char* kNames[] = {"claim", "complete", "release", "renew", "find"};
  return kNames[static_cast<size_t>(what)];
}
std::string Part(const char* name, uint64_t value) {
  return value == 0 ? "" : std::string(" ") + name + "=" + std::to_string(value);
}

}  // namespace

const char* NameOf(Told what) {
  static constexpr const char* kNames[] = {
      "nothing",   "refused", "claimed",         "replay",          "conflict",
      "in flight", "unknown", "completed",       "released",        "renewed",
      "stale",     "absent",  "found in flight", "found completed", "found unknown"};
  return kNames[static_cast<size_t>(what)];
}

std::string Text(const Call& call) {
  const Question& asked = call.asked;
  std::string text = "[" + std::to_string(call.called_ms) + ".." +
                     (call.returned_ms == kForever ? "" : std::to_string(call.returned_ms)) +
                     " ms] caller " + std::to_string(call.caller) + ": " + NameOf(asked.what);
  text += Part("fence", asked.fence) + Part("fingerprint", asked.fingerprint) +
          Part("id", asked.claim_id) + Part("result", asked.result) +
          Part("lease", static_cast<uint64_t>(asked.lease_ms));
  return text + " -> " + NameOf(call.told.what) + Part("fence", call.told.fence) +
         Part("result", call.told.result);
}

void Recorder::Begin(Question question) {
  Call& call = calls_.emplace_back();
  call.asked = std::move(question);
  call.caller = caller_;
  call.called_ns = CallHistory::NowNs();
  call.called_ms = history_->NowMs(call.called_ns);
}

void Recorder::End(const Answer& answer) {
  Call& call = calls_.back();
  call.told.unclear = answer.unclear;
  if (answer.what == Told::kNothing) return;
  call.told = answer;
  call.returned_ns = CallHistory::NowNs();
  // Of the steady clock's millisecond a part is gone already.
  call.returned_ms = history_->NowMs(call.returned_ns) + (history_->clock_ == nullptr ? 1 : 0);
}

Recorder* CallHistory::NewRecorder() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return &recorders_.emplace_back(this, static_cast<int>(recorders_.size()));
}

void Recorder::HungUp() {
  Call& claim = calls_.back();
  claim.asked.hung_up = static_cast<uint64_t>(claim.called_ns);
  Call undone = claim;
  undone.asked.what = Asked::kRelease;
  calls_.push_back(undone);
}

void CallHistory::ServerIsGone() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const int64_t now_ns = NowNs();
  for (Recorder& recorder : recorders_) {
    for (auto call = recorder.calls_.rbegin(); call != recorder.calls_.rend(); ++call) {
      if (call->returned_ns != kForever) continue;
      call->returned_ns = now_ns;
      call->returned_ms = NowMs(now_ns) + 1;
    }
  }
}

std::vector<Call> CallHistory::Calls() const {
  std::vector<Call> calls;
  for (const Recorder& recorder : recorders_) {
    calls.insert(calls.end(), recorder.calls_.begin(), recorder.calls_.end());
  }
  return calls;
}

int64_t CallHistory::NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

int64_t CallHistory::NowMs(int64_t now_ns) const {
  return clock_ != nullptr ? clock_->NowMs() : now_ns / kNsInMs;
}

}  // namespace onced

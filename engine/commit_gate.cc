// SPDX-License-Identifier: MIT
#include "engine/commit_gate.h"

#include <algorithm>
#include <utility>

namespace onced {
namespace {

// Where so many wait, more are on their way, and share the sync if it gives them a moment. It is
// less than a sync takes; who waits alone, or with a few, is not made to. (Measured at 64
// connections: some 6 % more claims a second, median of six pairs.)
constexpr size_t kCrowd = 8;
constexpr std::chrono::microseconds kMoment{100};

}  // namespace

CommitGate::CommitGate(Log* log, Options options)
    : log_(log), options_(std::move(options)), durable_(log->LatestSequence()) {
  syncer_ = std::thread([this] { RunSyncer(); });
}

CommitGate::~CommitGate() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    work_.NotifyOne();
  }
  syncer_.join();
  bool usable = false;
  {
    MutexLock lock(mutex_);
    usable = !failed_ && !parked_;
  }
  if (usable) SyncOnce();
}

void CommitGate::WhenDurable(uint64_t sequence, std::function<void()> pass) {
  if (!Holds(sequence)) {
    pass();
    return;
  }
  {
    MutexLock lock(mutex_);
    if (failed_) return;
    // durable_ is only published with the mutex held, so a number still above it here is woken.
    if (Holds(sequence)) {
      const bool first = waiting_.empty() && wanted_ <= durable();
      waiting_.push_back({sequence, std::move(pass)});
      held_.store(waiting_.size(), std::memory_order_relaxed);
      wanted_ = std::max(wanted_, sequence);
      ++asked_;
      if (first) work_.NotifyOne();
      return;
    }
  }
  pass();
}

Status CommitGate::WaitDurable(uint64_t sequence) {
  if (!Holds(sequence)) return Status::Ok();
  MutexLock lock(mutex_);
  wanted_ = std::max(wanted_, sequence);
  ++asked_;
  work_.NotifyOne();
  while (!failed_ && Holds(sequence)) progress_.Wait(mutex_);
  return failed_ ? Status::IoError("sync log: failed; the write's fate is unknown") : Status::Ok();
}

Status CommitGate::Flush() {
  const uint64_t sequence = log_->LatestSequence();
  MutexLock lock(mutex_);
  wanted_ = std::max(wanted_, sequence);
  work_.NotifyOne();
  while (!failed_ && !parked_ && sequence > durable()) progress_.Wait(mutex_);
  if (failed_) return Status::IoError("sync log: failed");
  if (parked_) return Status::NoSpace("sync log: parked after a failed write");
  return Status::Ok();
}

void CommitGate::Park() {
  MutexLock lock(mutex_);
  parked_ = true;
  progress_.NotifyAll();
}

void CommitGate::Resume() {
  MutexLock lock(mutex_);
  parked_ = false;
  work_.NotifyOne();
}

void CommitGate::Fail(const Status& why) {
  MutexLock lock(mutex_);
  if (failed_) return;
  failed_ = true;
  why_failed_ = why;
  progress_.NotifyAll();
  work_.NotifyOne();
}

std::chrono::milliseconds CommitGate::InSync() const {
  const std::chrono::steady_clock::time_point began = sync_began_;
  if (began == std::chrono::steady_clock::time_point()) return std::chrono::milliseconds(0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               began);
}

bool CommitGate::NeedsSync() {
  if (failed_ || parked_) return false;
  if (wanted_ > durable()) return true;
  return options_.durability == Durability::kInterval && log_->LatestSequence() > durable();
}

void CommitGate::RunSyncer() {
  Status why = Status::Ok();
  while (AwaitWork(&why)) {
    if (IsCrowded()) std::this_thread::sleep_for(kMoment);
    SyncOnce();
  }
  if (!why.ok() && options_.on_failure) options_.on_failure(why);
}

bool CommitGate::IsCrowded() {
  MutexLock lock(mutex_);
  return std::exchange(asked_, 0) >= kCrowd;
}

// True: there is something to sync. False: it is time to stop, or, with `why`, the log is lost.
bool CommitGate::AwaitWork(Status* why) {
  MutexLock lock(mutex_);
  const bool interval = options_.durability == Durability::kInterval;
  // In interval mode the pause comes first: what is written during it shares one sync.
  if (interval && !stopping_ && !failed_ && wanted_ <= durable()) {
    work_.WaitFor(mutex_, options_.interval);
  }
  while (!stopping_ && !failed_ && !NeedsSync()) {
    if (interval) {
      work_.WaitFor(mutex_, options_.interval);
    } else {
      work_.Wait(mutex_);
    }
  }
  if (failed_) *why = why_failed_;
  return !failed_ && !stopping_;
}

void CommitGate::SyncOnce() {
  const uint64_t sequence = log_->LatestSequence();
  sync_began_ = std::chrono::steady_clock::now();
  const Status synced = log_->Sync();
  sync_began_ = std::chrono::steady_clock::time_point();
  if (!synced.ok()) {
    if (synced.fault() != Fault::kUnavailable) Fail(synced);
    return;
  }
  std::vector<Held> passing;
  {
    MutexLock lock(mutex_);
    if (failed_) return;
    durable_.store(std::max(sequence, durable()), std::memory_order_release);
    const auto held_back = std::partition(waiting_.begin(), waiting_.end(), [&](const Held& held) {
      return held.sequence > sequence;
    });
    std::move(held_back, waiting_.end(), std::back_inserter(passing));
    waiting_.erase(held_back, waiting_.end());
    held_.store(waiting_.size(), std::memory_order_relaxed);
    progress_.NotifyAll();
  }
  for (Held& held : passing) held.pass();
}

}  // namespace onced

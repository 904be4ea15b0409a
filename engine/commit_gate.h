// SPDX-License-Identifier: MIT
// CommitGate: holds every answer until what it says is durable, and the one thread that makes it
// so.
//
// Every change has a sequence number. The syncer thread notes the latest one, syncs the log, and
// publishes it as durable; an answer that changed or was shown anything up to that number may now
// leave. So fsyncs group by themselves: while one runs, the next group gathers (a crowd is given
// 100 us more), and no caller sleeps in one.
//
//   mode      the syncer syncs                     the gate
//   sync      whenever an answer waits             holds
//   interval  every `interval` while anything new  is open
//   os        only when Flush is called            is open
//
// Threads: WhenDurable, WaitDurable, durable() and the rest from any thread; callbacks run on the
// caller's thread when there is nothing to wait for, otherwise on the syncer's: they must be quick
// and must not throw.
// Invariants: 1. durable() never goes backwards. 2. In sync mode nothing passes whose number is
// above durable(). 3. After a failed sync nothing passes any more: fsync cannot be retried, the
// kernel has forgotten which pages were lost. 4. While parked the syncer keeps off the log.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "engine/status.h"

namespace onced {

enum class Durability { kSync, kInterval, kOs };

// The log, as the gate sees it.
class Log {
 public:
  virtual ~Log() = default;
  // The newest sequence number a reader can have seen.
  virtual uint64_t LatestSequence() = 0;
  // Makes everything up to LatestSequence() at the time of the call durable. Unavailable: an append
  // has failed, and the gate has been parked or is about to be.
  virtual Status Sync() = 0;
};

class CommitGate {
 public:
  struct Options {
    Durability durability = Durability::kSync;
    std::chrono::milliseconds interval{100};
    // Called once, on the syncer's thread and with nothing held, when the log is lost. Should end
    // the process.
    std::function<void(const Status&)> on_failure;
  };

  // What is in the log now counts as durable. `log` must outlive the gate.
  CommitGate(Log* log, Options options);
  // Syncs once more, unless failed or parked; answers still held then pass or are dropped.
  ~CommitGate();
  CommitGate(const CommitGate&) = delete;
  CommitGate& operator=(const CommitGate&) = delete;

  // Runs `pass` when `sequence` is durable (in the open modes: now). Never runs it after a failure.
  void WhenDurable(uint64_t sequence, std::function<void()> pass);

  // Blocks until then. IoError after a failed sync: whether it is durable is then unknown.
  Status WaitDurable(uint64_t sequence);

  // Syncs what is in the log now and waits for it, in every mode.
  Status Flush();

  // A write has failed: keep off the log until Resume().
  void Park();
  void Resume();
  bool parked() const { return parked_.load(std::memory_order_acquire); }

  // The log is lost: from now on nothing passes. `on_failure` is left to the syncer's thread, for
  // this may be called with stripes held.
  void Fail(const Status& why);

  uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
  bool Holds(uint64_t sequence) const {
    return options_.durability == Durability::kSync && sequence > durable();
  }
  size_t held() const { return held_.load(std::memory_order_relaxed); }
  // For how long the syncer has been inside the sync that it is inside of; 0: it is in none.
  std::chrono::milliseconds InSync() const;

 private:
  struct Held {
    uint64_t sequence;
    std::function<void()> pass;
  };

  void RunSyncer();
  bool AwaitWork(Status* why) EXCLUDES(mutex_);
  bool NeedsSync() REQUIRES(mutex_);
  bool IsCrowded() EXCLUDES(mutex_);
  void SyncOnce() EXCLUDES(mutex_);

  Log* const log_;
  const Options options_;
  std::atomic<uint64_t> durable_;
  std::atomic<size_t> held_{0};
  std::atomic<bool> parked_{false};
  std::atomic<std::chrono::steady_clock::time_point> sync_began_{};  // the epoch: none runs

  Mutex mutex_;
  CondVar work_;      // something for the syncer
  CondVar progress_;  // durable_ or failed_ has changed
  std::vector<Held> waiting_ GUARDED_BY(mutex_);
  uint64_t wanted_ GUARDED_BY(mutex_) = 0;  // the highest number anybody waits for
  size_t asked_ GUARDED_BY(mutex_) = 0;     // how often, since the last sync was begun
  bool failed_ GUARDED_BY(mutex_) = false;
  Status why_failed_ GUARDED_BY(mutex_) = Status::Ok();
  bool stopping_ GUARDED_BY(mutex_) = false;

  std::thread syncer_;  // last: it uses all of the above
};

}  // namespace onced

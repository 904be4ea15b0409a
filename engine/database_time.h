// SPDX-License-Identifier: MIT
// DatabaseTime: what time it certainly is by the database's clock: the stamp of an answer, plus the
// time that has passed here since the answer came, less what two clocks may drift apart. It runs
// behind the database by about as long as an answer travels, and never ahead of it.
//
// So a lease that is judged by it, and written only if the database agrees that it is not earlier,
// is never freed early. When the database's clock was set back, or another database with another
// clock took over, the next stamp shows it: it is earlier than what was certain when it was asked
// for. Then that stamp is believed.
//
// DatabaseLeaps: whether that clock has leapt ahead, as far as this process's own clock can tell,
// which nobody sets. An answer can be given anew when the clock is right again; a row that was
// deleted by a wrong one cannot.
//
// Threads: any.
// Invariants: as long as the database's clock is not set back, NowMs() is never later than it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "engine/mutex.h"

namespace onced {

class DatabaseTime {
 public:
  using Here = std::chrono::steady_clock::time_point;

  // The latest that it can be by the database's clock, when an answer with this stamp, asked for at
  // `asked_at`, is here at `now`.
  static int64_t LatestMs(int64_t stamp_ms, Here asked_at, Here now) {
    const int64_t passed_us =
        std::chrono::duration_cast<std::chrono::microseconds>(now - asked_at).count();
    // One more, as stamps are rounded down, and one for the part that is not counted here.
    return stamp_ms + (passed_us + passed_us / kDriftPart) / 1'000 + 2;
  }

  // REQUIRES: something was learnt.
  int64_t NowMs() {
    const Here here = std::chrono::steady_clock::now();
    MutexLock lock(mutex_);
    return At(here);
  }

  // The database stamped an answer that was asked for at `asked_at` and is here at `now`.
  void Learn(int64_t stamp_ms, Here asked_at, Here now) {
    MutexLock lock(mutex_);
    const bool was_set_back = stamp_ms < At(asked_at);
    if (!was_set_back && stamp_ms <= At(now)) return;
    stamp_ms_ = stamp_ms;
    learnt_at_ = now;
  }

 private:
  // Of the time that passes here this part is not counted: two clocks of 500 ppm each.
  static constexpr int64_t kDriftPart = 1'000;

  int64_t At(Here here) const REQUIRES(mutex_) {
    const int64_t passed_us =
        std::chrono::duration_cast<std::chrono::microseconds>(here - learnt_at_).count();
    const int64_t certain_us =
        passed_us >= 0 ? passed_us - passed_us / kDriftPart : passed_us + passed_us / kDriftPart;
    // Rounded down, also when it is negative.
    return stamp_ms_ + (certain_us >= 0 ? certain_us : certain_us - 999) / 1'000;
  }

  Mutex mutex_;
  int64_t stamp_ms_ GUARDED_BY(mutex_) = 0;
  Here learnt_at_ GUARDED_BY(mutex_){};
};

class DatabaseLeaps {
 public:
  using Here = DatabaseTime::Here;
  // What is ahead by less than this was not noticed: by how much more than it ought to the clock
  // may go on between two looks.
  static constexpr int64_t kNoticedMs = 30 * 60'000;
  // So long after a leap the clock is in doubt: time for somebody to put it right.
  static constexpr std::chrono::hours kDoubted{12};

  // As DatabaseTime::Learn. A process that stood still with its clock (a suspended machine) takes
  // that for a leap, too.
  void Look(int64_t stamp_ms, Here asked_at, Here now) {
    MutexLock lock(mutex_);
    const bool leapt =
        looked_ && stamp_ms - DatabaseTime::LatestMs(stamp_ms_, asked_at_, now) >= kNoticedMs;
    if (leapt) doubted_until_ = now + kDoubted;
    looked_ = true;
    stamp_ms_ = stamp_ms;
    asked_at_ = asked_at;
  }
  bool InDoubt(Here now) const {
    MutexLock lock(mutex_);
    return now < doubted_until_;
  }

 private:
  mutable Mutex mutex_;
  bool looked_ GUARDED_BY(mutex_) = false;
  int64_t stamp_ms_ GUARDED_BY(mutex_) = 0;
  Here asked_at_ GUARDED_BY(mutex_){}, doubted_until_ GUARDED_BY(mutex_){};
};

}  // namespace onced

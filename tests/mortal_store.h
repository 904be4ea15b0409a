// SPDX-License-Identifier: MIT
// MortalStore: a store on a CrashDisk, callers that work on it until the power goes, and the next
// store on what is left, which is held against what the callers were told.
//
// In interval mode the disk's own record must show that the interval is kept: every answer is in a
// sync of the log that was called soon after. Soon is counted in intervals as the machine has them
// (metronomes.h): where it is busy they take longer, as the engine's own do.
//
// Threads: one; the callers are its own.
// Invariants: every store that is opened for Look must open, unless the disk has lied. While there
// is power and no trouble no call fails.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "tests/crash_fs.h"
#include "tests/fixtures.h"
#include "tests/metronomes.h"
#include "tests/stories.h"

namespace onced {

class MortalStore {
 public:
  static constexpr std::chrono::milliseconds kInterval{2};
  // An answer that is in no sync by then is a wrong. Without load it takes one. With it some take
  // more, for the engine waits for a processor more than once, and for whoever holds a lock and has
  // none (seen: ten, with a load of 15 on two processors); so what most of them take is judged
  // apart (power_cut_test.cc).
  static constexpr size_t kTicksMax = 30;

  explicit MortalStore(uint64_t seed);

  // How the callers go about it: all at once; one after the other, so that all lives with a seed
  // are the same one; or at once, with rests of some intervals.
  // kWithFlushes: at once, and meanwhile families are written out, one by one, each time into
  // tables of its own, so that several logs are needed.
  enum class Pace : uint8_t { kAtOnce, kInTurn, kWithRests, kWithFlushes };
  // Opens, works, closes; the power goes at the `cut_at`-th call, or after all that. What the
  // disk keeps is up to `loss`.
  enum class Cut : uint8_t { kInStart, kAtWork, kAfterwards };
  Cut Live(Durability durability, uint64_t cut_at, Loss loss, Pace pace = Pace::kAtOnce);
  // The same on a disk whose syncs only say that they did; the mark alone is as it was written.
  void LiveOnALie(Durability durability);
  // The same, with calls that fail (CrashDisk::Break), from when it is open, or before it is
  // opened: then it opens, or refuses and opens when the disk is mended. The power goes before it
  // is closed, or after, with all that was not synced. True: a call has failed so.
  enum class From : uint8_t { kOpening, kOpen };
  enum class End : uint8_t { kCut, kClosed };
  bool LiveWithTrouble(Durability durability, Trouble trouble, uint64_t call, bool sticky,
                       From from, End end);
  // From here on the store is opened with accept_data_loss; its mark is lost, with what was there
  // of it.
  void LoseTheMark();
  // Opens what is left and says what is wrong with it.
  std::vector<std::string> Look();

  CrashDisk& disk() { return disk_; }
  uint64_t calls() const { return calls_; }      // of the last life
  uint64_t logs() const { return logs_; }        // begun in it, at work
  uint64_t chances() const { return chances_; }  // of the last life's trouble
  uint64_t answered() const { return answered_; }
  uint64_t lost() const { return lost_; }  // of those, allowed
  Stories::Clock::duration oldest_lost() const { return oldest_lost_; }
  // In interval mode, of each answer.
  struct Wait {
    size_t ticks = 0;     // until the sync that has it was called, or until the power went
    bool synced = false;  // it was
    size_t to_end = 0;    // ticks until the power went, or the callers were done
    bool rests = false;   // in a life with rests
  };
  const std::vector<Wait>& waits() const { return waits_; }
  // Why the last one did not open.
  const std::optional<Status>& refused() const { return refused_; }

 private:
  RocksStoreOptions Options(Durability durability);
  std::unique_ptr<RocksStore> Open(Durability durability);
  void Lose(Loss loss);
  void Work(RocksStore* store, Durability durability);
  void Call(RocksStore* store, Durability durability);
  void Rest(uint64_t intervals) const;
  void Flush(RocksStore* store);
  void Failed(const std::string& call, const Status& status) EXCLUDES(mutex_);
  void JudgeStop(Trouble trouble) EXCLUDES(mutex_);
  void JudgeWaits(const Metronomes& metronomes) EXCLUDES(mutex_);
  void CallLedger(RocksStore* store, int caller, uint64_t seed);
  void CallKeyspace(RocksStore* store, Durability durability);
  static Shape ShapeOf(const std::optional<Record>& record);
  Stories::Shown Show(RocksStore* store, std::vector<std::string>* wrongs);
  void Probe(RocksStore* store, Stories::Shown* shown, std::vector<std::string>* wrongs);

  TempFolder folder_;
  ManualClock clock_;
  CrashDisk disk_;
  std::mt19937_64 random_;
  std::mt19937_64 work_random_;
  Pace pace_ = Pace::kAtOnce;
  Stories stories_;
  Stories::Promise promise_;
  Stories::Clock::time_point cut_at_{};
  bool durable_moved_ = false;  // while the last callers were at work
  uint64_t keys_ = 0;
  uint64_t turns_ = 0;
  uint64_t calls_ = 0;
  uint64_t logs_ = 0;
  uint64_t chances_ = 0;
  uint64_t answered_ = 0;
  uint64_t lost_ = 0;
  Stories::Clock::duration oldest_lost_{0};
  std::vector<Wait> waits_;
  bool accepts_loss_ = false;
  bool full_ = false;                      // the trouble is of that kind
  std::atomic<uint64_t> log_failures_{0};  // that the store has told of
  std::optional<Status> refused_;
  Mutex mutex_;
  std::vector<std::string> wrongs_ GUARDED_BY(mutex_);  // of the life, for the next Look
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// MortalStore: a store on a CrashDisk, callers that work on it until the power goes, and the next
// store on what is left, which is held against what the callers were told.
//
// Threads: one; the callers are its own.
// Invariants: every store that is opened for Look must open, unless the disk has lied.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/crash_fs.h"
#include "tests/fixtures.h"
#include "tests/stories.h"

namespace onced {

class MortalStore {
 public:
  explicit MortalStore(uint64_t seed, int callers = 3);

  // Opens, works, closes; the power goes at the `cut_at`-th call, or after all that. What the
  // disk keeps is up to `loss`.
  enum class Cut : uint8_t { kInStart, kAtWork, kAfterwards };
  Cut Live(Durability durability, uint64_t cut_at, Loss loss);
  // The same on a disk whose syncs only say that they did; the mark alone is as it was written.
  void LiveOnALie(Durability durability);
  // The same, with calls that fail once it is open (CrashDisk::Break); the power goes when it is
  // closed, with all that was not synced. True: a call has failed so.
  bool LiveWithTrouble(Durability durability, Trouble trouble, uint64_t call, bool sticky);
  // From here on the store is opened with accept_data_loss; its mark is lost, with what was there
  // of it.
  void LoseTheMark();
  // Opens what is left and says what is wrong with it.
  std::vector<std::string> Look();

  CrashDisk& disk() { return disk_; }
  uint64_t calls() const { return calls_; }  // of the last life
  uint64_t answered() const { return answered_; }
  uint64_t lost() const { return lost_; }  // of those, allowed
  Stories::Clock::duration oldest_lost() const { return oldest_lost_; }
  // Why the last one did not open.
  const std::optional<Status>& refused() const { return refused_; }

 private:
  RocksStoreOptions Options(Durability durability);
  std::unique_ptr<RocksStore> Open(Durability durability);
  void Work(RocksStore* store, Durability durability);
  void CallLedger(RocksStore* store, int caller, uint64_t seed);
  void CallKeyspace(RocksStore* store, Durability durability);
  static Shape ShapeOf(const std::optional<Record>& record);
  Stories::Shown Show(RocksStore* store, std::vector<std::string>* wrongs);
  void Probe(RocksStore* store, Stories::Shown* shown, std::vector<std::string>* wrongs);

  TempFolder folder_;
  ManualClock clock_;
  CrashDisk disk_;
  std::mt19937_64 random_;
  const int callers_;
  Stories stories_;
  Stories::Promise promise_;
  Stories::Clock::time_point cut_at_{};
  uint64_t keys_ = 0;
  uint64_t turns_ = 0;
  uint64_t calls_ = 0;
  uint64_t answered_ = 0;
  uint64_t lost_ = 0;
  Stories::Clock::duration oldest_lost_{0};
  bool accepts_loss_ = false;
  bool full_ = false;  // the trouble is of that kind
  std::optional<Status> refused_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// CrashBooks: what of a folder has been synced, and how to undo the rest. CrashDisk (crash_fs.h)
// keeps them as calls come by, and asks them what a power cut leaves.
//
// Threads: any, with `mutex` held; a call and its entry in the books are one step under it.
// Invariants: 1. A file that is known has at least `synced` bytes on the real disk. 2. The entries
// that are not synced are in the order in which they were made. 3. What an entry has replaced or
// removed is kept until that is synced. 4. What a failed sync was to write is lost, whatever later
// syncs say: the kernel has taken it for written, and does not try again. Of a folder whose sync
// failed no entry is kept any more, until the disk is mended.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "tests/crash_fs.h"

namespace onced {

class CrashBooks {
 public:
  // One file, whatever it is called at the moment.
  struct File {
    std::string path;
    uint64_t size = 0;
    uint64_t synced = 0;
    uint64_t log_begin = 0;  // a log's: bytes of logs before it
    struct Range {
      uint64_t begin;
      uint64_t end;
    };
    std::vector<Range> lost{};  // by failed syncs; what is read after a cut is zero there
  };
  using FilePtr = std::shared_ptr<File>;

  // What a call is, for those that are to fail.
  enum class Call : uint8_t { kChange, kAppend, kSync, kEntrySync, kRead };
  // What it finds.
  enum class Found : uint8_t { kPower, kNoPower, kError, kNoSpace, kHalf };

  Mutex mutex;

  explicit CrashBooks(std::string folder);
  ~CrashBooks();
  CrashBooks(const CrashBooks&) = delete;
  CrashBooks& operator=(const CrashBooks&) = delete;

  const std::string& folder() const { return folder_; }

  // Counts a call; it goes on only when there is kPower, or to do a half of what it was to do.
  Found Next(Call call) REQUIRES(mutex);
  // The same for an append to this file, or a sync of it.
  Found Next(Call call, const File& file) REQUIRES(mutex);

  // A file that is about to be made, in the place of what was there.
  FilePtr Create(const std::string& path) REQUIRES(mutex);
  void Grow(File& file, uint64_t bytes) REQUIRES(mutex);
  void Sync(File& file) REQUIRES(mutex);
  void FailSync(File& file) REQUIRES(mutex);
  // A sync that was called at `begun` is done: of more bytes of the logs, perhaps.
  void NoteLogs(CrashDisk::Clock::time_point begun) REQUIRES(mutex);
  void SyncEntries(const std::string& folder) REQUIRES(mutex);
  void FailEntrySync(const std::string& folder) REQUIRES(mutex);
  // These also do it. False: it cannot be done (errno).
  bool Rename(const std::string& from, const std::string& to) REQUIRES(mutex);
  bool Link(const std::string& from, const std::string& to) REQUIRES(mutex);
  bool Remove(const std::string& path) REQUIRES(mutex);

  // Files that are written by hand, not through RocksDB: synced as they are now.
  Found SyncByHand(const std::string& path) REQUIRES(mutex);

  void CutAt(uint64_t call) REQUIRES(mutex) { cut_at_ = calls_ + call; }
  void CutNow() REQUIRES(mutex);
  bool is_cut() const REQUIRES(mutex) { return cut_; }
  void Lose(Loss loss, std::mt19937_64& random) REQUIRES(mutex);

  void Break(Trouble trouble, uint64_t call, bool sticky) REQUIRES(mutex);
  void Lie() REQUIRES(mutex) { lies_ = true; }
  uint64_t calls() const REQUIRES(mutex) { return calls_; }
  uint64_t troubles() const REQUIRES(mutex) { return troubles_; }
  uint64_t log_troubles() const REQUIRES(mutex) { return log_troubles_; }
  uint64_t chances() const REQUIRES(mutex) { return chances_; }
  CrashDisk::Clock::time_point power_cut_at() const REQUIRES(mutex) { return power_cut_at_; }
  uint64_t log_bytes() const REQUIRES(mutex) { return log_bytes_; }
  uint64_t logs_begun() const REQUIRES(mutex) { return logs_begun_; }
  const std::vector<CrashDisk::LogSync>& log_syncs() const REQUIRES(mutex) { return log_syncs_; }

 private:
  struct Entry {
    enum class Kind : uint8_t { kCreated, kRenamed, kLinked, kRemoved } kind;
    std::string path;
    std::string from;  // of a rename
    std::string kept;  // what was there before, under another name; "": nothing
  };

  std::string SetAside(const std::string& path) REQUIRES(mutex);
  void Moved(const std::string& from, const std::string& to) REQUIRES(mutex);
  void Undo(const Entry& entry) REQUIRES(mutex);
  bool Befalls(Call call) const REQUIRES(mutex);
  void LoseBytes(const File& file, Loss loss, std::mt19937_64& random) REQUIRES(mutex);
  static void LoseEnd(uint64_t synced, Loss loss, std::mt19937_64& random, std::string* bytes);
  void LoseWhatWasWrittenByHand(Loss loss, std::mt19937_64& random) REQUIRES(mutex);
  std::string HighWater() const { return folder_ + "/high-water"; }
  std::string HighWaterThatMayStay() const REQUIRES(mutex);

  const std::string folder_;
  const std::string aside_;  // beside the folder, for what may come back
  std::map<std::string, FilePtr> files_ GUARDED_BY(mutex);  // by path
  std::vector<Entry> entries_ GUARDED_BY(mutex);            // not synced
  std::set<std::string> broken_folders_ GUARDED_BY(mutex);  // whose sync has failed
  uint64_t kept_ GUARDED_BY(mutex) = 0;
  std::set<std::string> own_entries_ GUARDED_BY(mutex);  // of the folder itself, synced
  std::string high_water_synced_ GUARDED_BY(mutex);
  std::string high_water_at_cut_ GUARDED_BY(mutex);
  std::string high_water_lost_ GUARDED_BY(mutex);  // as it was when a sync of it failed

  uint64_t log_bytes_ GUARDED_BY(mutex) = 0;
  uint64_t logs_begun_ GUARDED_BY(mutex) = 0;
  std::vector<CrashDisk::LogSync> log_syncs_ GUARDED_BY(mutex);

  uint64_t calls_ GUARDED_BY(mutex) = 0;
  uint64_t cut_at_ GUARDED_BY(mutex) = 0;  // 0: never
  bool cut_ GUARDED_BY(mutex) = false;
  CrashDisk::Clock::time_point power_cut_at_ GUARDED_BY(mutex){};
  bool lies_ GUARDED_BY(mutex) = false;

  Trouble trouble_ GUARDED_BY(mutex) = Trouble::kNone;
  uint64_t until_trouble_ GUARDED_BY(mutex) = 0;
  bool sticky_ GUARDED_BY(mutex) = false;
  uint64_t troubles_ GUARDED_BY(mutex) = 0;
  uint64_t log_troubles_ GUARDED_BY(mutex) = 0;
  uint64_t chances_ GUARDED_BY(mutex) = 0;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// CrashDisk: a data folder on a disk that forgets, when the power is cut, exactly what was not
// synced: bytes of files, and entries of folders. What RocksDB writes is seen through its file
// system; the high-water file and the folder's own entries, which the engine writes by itself,
// through fsync and fdatasync of this program.
//
// Close is no sync, and neither is the fsync of a file one of its folder: a file that is created,
// renamed, linked or deleted is so for good only when its folder has been synced. Real syncs are
// left out, for the machine that runs this keeps its power. A file's sync that fails has lost what
// it was to write, as kernels have it: the next one succeeds, and makes durable only what came
// after. After one of a folder that fails no entry of it is made durable any more, until Mend.
//
// Not seen, so never lost: what the engine does by itself below db/ and quarantine/ (the links that
// it puts aside, copies, a MANIFEST that it cuts, a first start's remains that it removes). For
// that there are the kernel's cuts (kernel_cut_test.cc).
//
// Threads: any, but Lose and the destructor, which nobody may overlap. One disk at a time.
// Invariants: 1. Bytes that a sync has returned for are never lost, unless the disk lies. 2. After
// the cut nothing is changed any more, and every call fails. 3. What is lost follows from the seed
// and from what was synced.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace rocksdb {
class Env;
}

namespace onced {

class CrashBooks;

// What becomes of bytes that were not synced, and of entries of a folder that was not.
enum class Loss : uint8_t {
  kAll,      // none of the bytes, none of the entries
  kBytes,    // none of the bytes; the entries up to some point
  kSuffix,   // the bytes up to some point
  kPages,    // some pages of 4 KiB stay, in any order; of others the file has zeros, or rubbish
  kSector,   // up to some sector of 512 bytes, of which a part is rubbish
  kSizes,    // the files are as long as they were, and zero where they were not synced
  kEntries,  // all of the bytes, none of the entries
};
constexpr int kLosses = 7;
const char* NameOf(Loss loss);

// A call that fails, though the power stays.
enum class Trouble : uint8_t {
  kNone,
  kWrite,      // EIO: whatever changes something
  kShort,      // of an append only a half is written, then EIO
  kNoSpace,    // ENOSPC: whatever takes room
  kSync,       // EIO of a file's sync
  kEntrySync,  // EIO of a folder's
  kRead,       // EIO
};
constexpr int kTroubles = 7;
const char* NameOf(Trouble trouble);

class CrashDisk {
 public:
  using Clock = std::chrono::steady_clock;

  // `folder`: see RocksStoreOptions::path. It need not exist yet.
  explicit CrashDisk(const std::string& folder);
  ~CrashDisk();
  CrashDisk(const CrashDisk&) = delete;
  CrashDisk& operator=(const CrashDisk&) = delete;

  // What a store on it is opened with.
  rocksdb::Env* env();

  // Calls that change or sync something, since the power came.
  uint64_t calls() const;

  // The `call`-th one, counted so, finds no power any more, and neither does any after it.
  void CutAt(uint64_t call);
  void CutNow();
  bool IsCut() const;
  Clock::time_point cut_at() const;  // the last time
  // Leaves in the folder what such a disk has kept, and the power is back. REQUIRES: the store that
  // was open on it is gone.
  void Lose(Loss loss, std::mt19937_64& random);

  // The `call`-th call that it can happen to, counted from now, fails; `sticky`: and all later.
  void Break(Trouble trouble, uint64_t call, bool sticky);
  void Mend();
  uint64_t chances() const;       // calls since Break that it could have happened to, or has
  uint64_t troubles() const;      // calls that failed so, since the power came
  uint64_t log_troubles() const;  // of them, appends to logs and syncs of logs

  // What this disk itself knows of the logs (files named *.log), since the power came: how many
  // bytes were appended to them...
  uint64_t LogBytes() const;
  uint64_t LogsBegun() const;  // and how many there were
  // ...and each sync that made some of them durable, in order: when it was called and when it
  // returned, and how many of the bytes, from the first on, would stay from then on.
  struct LogSync {
    Clock::time_point begun;
    Clock::time_point ended;
    uint64_t bytes = 0;
  };
  std::vector<LogSync> LogSyncs() const;

  // From now on, until the power is cut, syncs do nothing and say that they did.
  void Lie();

 private:
  const std::shared_ptr<CrashBooks> books_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// HighWater: a small fsynced file beside the store that says how far things had certainly come: the
// fence epoch, the newest synced sequence number, where the clock stood, and the extents of the
// store's MANIFEST and of its logs.
//
// It exists because the store's own recovery stops silently at the first damaged byte of its log
// and calls that success. With the mark, "recovered less than was synced" is found and refused.
// Bytes: FORMAT.md, "high-water file": two slots written in turn, so that a torn write costs the
// newest slot only.
//
// Threads: any; Update() is one step under a mutex that is also held over its fdatasync.
// Invariants: epoch and synced_sequence in the file never go down.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/mutex.h"
#include "engine/status.h"

namespace onced {

// How much of which MANIFEST was synced (rocks_manifest.h); number 0: it is not known. A new one is
// synced, and noted, before CURRENT names it, and whether that comes to pass is known only
// afterwards: so of the one that CURRENT named by then it is kept too.
struct ManifestExtent {
  uint64_t number = 0;
  uint64_t bytes = 0;
  uint64_t in_use = 0;  // the number that the store went by when it was opened last
  uint64_t before = 0;  // the number that CURRENT named when this one was begun
  uint64_t before_bytes = 0;

  // nullopt: it is not known.
  std::optional<uint64_t> BytesOf(uint64_t manifest) const {
    if (manifest == 0) return std::nullopt;
    if (manifest == number) return bytes;
    return manifest == before ? std::optional(before_bytes) : std::nullopt;
  }
  // As it is when `synced_bytes` of MANIFEST `synced` were synced while CURRENT named `current`.
  ManifestExtent With(uint64_t synced, uint64_t synced_bytes, uint64_t current) const {
    ManifestExtent next = *this;
    if (synced != number && current != before) {
      const bool known = current == number;
      next.before = known ? number : 0;
      next.before_bytes = known ? bytes : 0;
    }
    next.number = synced;
    next.bytes = synced_bytes;
    return next;
  }
};

// How much of which log was synced, and is needed until the log is gone (rocks_synced_logs.h).
struct LogExtent {
  uint64_t number = 0;
  uint64_t bytes = 0;
};

struct HighWaterMark {
  uint32_t epoch = 0;
  uint64_t synced_sequence = 0;
  ClockAnchor anchor;
  ManifestExtent manifest;
  std::vector<LogExtent> logs;  // the oldest first; of the oldest kLogsMax are kept

  static constexpr size_t kLogsMax = 128;
};

class HighWater {
 public:
  // Opens or creates the file. A file without one valid slot counts as no mark. Corruption when it
  // was written by a newer format of onced.
  static Result<std::unique_ptr<HighWater>> Open(const std::string& path);
  // The mark of a file that is not to be written, nor made. Corruption: there is none.
  static Result<HighWaterMark> Peek(const std::string& path);
  ~HighWater();
  HighWater(const HighWater&) = delete;
  HighWater& operator=(const HighWater&) = delete;

  // The newest valid slot.
  std::optional<HighWaterMark> mark() const;

  // Applies `change` to the mark and makes the outcome durable before it returns. After an error
  // the change may or may not be in the file.
  Status Update(const std::function<void(HighWaterMark&)>& change) EXCLUDES(mutex_);

  // Whether the disk still gives back what was written last. It is asked, not the kernel's memory,
  // where the file system lets one choose; so it may take as long as the disk does.
  Status ReadBack() const EXCLUDES(mutex_);

 private:
  explicit HighWater(int fd) : fd_(fd) {}
  Status Load() EXCLUDES(mutex_);

  const int fd_;
  mutable Mutex mutex_;
  std::optional<HighWaterMark> mark_ GUARDED_BY(mutex_);
  uint64_t generation_ GUARDED_BY(mutex_) = 0;
};

}  // namespace onced

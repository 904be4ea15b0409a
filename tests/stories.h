// SPDX-License-Identifier: MIT
// Stories: what was done to each key, one caller after the other, what that was answered, and who
// saw it; and whether what a store shows after a power cut can be the rest of it.
//
// A key's story is the list of shapes that it took. A store that is opened again must show one of
// them: not an earlier one than was promised, and, over all keys together, what the disk has of the
// order in which things were done: with a step, all that had been answered before it was begun.
//
// Threads: Begin, End and Saw from any; the rest when they are done.
// Invariants: a key is one caller's at a time. The step that stands first is known to be on the
// disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/mutex.h"

namespace onced {

struct Shape {
  enum class Kind : uint8_t { kAbsent, kInFlight, kCompleted } kind = Kind::kAbsent;
  uint64_t fence = 0;  // in flight; 0: nobody was told which
  std::string result;  // completed

  bool Is(const Shape& other) const;
  std::string Text() const;
};

class Stories {
 public:
  using Clock = std::chrono::steady_clock;

  // A step whose call is about to be made; what it will be if it succeeds.
  struct Handle {
    std::string key;
    size_t step = 0;
  };
  Handle Begin(const std::string& key, Shape after) EXCLUDES(mutex_);
  // It was answered: with the fence, if it has one, the number that its durability goes by, and
  // how many bytes the disk's logs had then (CrashDisk::LogBytes).
  void End(const Handle& handle, uint64_t fence, uint64_t sequence, uint64_t log_bytes)
      EXCLUDES(mutex_);
  // Somebody else was shown this, past the gate.
  void Saw(const std::string& key, const Shape& shape) EXCLUDES(mutex_);

  // What is promised of a store: all that was answered or shown; or what is durable up to a number,
  // as the engine said, and what of the logs was durable by the disk's own record.
  struct Promise {
    bool all = false;
    uint64_t durable = 0;
    uint64_t log_bytes = 0;
  };
  struct Verdict {
    std::vector<std::string> wrongs;
    uint64_t answered = 0;      // steps
    uint64_t lost = 0;          // of them, allowed or not
    Clock::duration oldest{0};  // of the answers that are lost: how long before `cut_at`
  };
  using Shown = std::map<std::string, Shape>;  // of every key of Keys()
  Verdict Judge(const Shown& shown, const Promise& promise, Clock::time_point cut_at)
      EXCLUDES(mutex_);
  // From here on: what is shown now is on the disk, and nothing more is owed.
  void GoOnFrom(const Shown& shown) EXCLUDES(mutex_);

  struct Answer {
    Clock::time_point at;
    uint64_t log_bytes = 0;  // see End
  };
  std::vector<Answer> Answers() EXCLUDES(mutex_);
  std::vector<std::string> Keys() EXCLUDES(mutex_);
  Shape Last(const std::string& key) EXCLUDES(mutex_);  // as far as was answered
  uint64_t highest_fence() EXCLUDES(mutex_);

 private:
  struct Step {
    Shape after;
    uint64_t begun = 0;
    uint64_t ended = 0;  // 0: not answered
    uint64_t sequence = 0;
    uint64_t log_bytes = 0;
    Clock::time_point answered_at{};
    bool seen = false;
  };
  using Story = std::vector<Step>;
  // The first and the last step that look like this; first > last: none.
  struct Range {
    size_t first = 1;
    size_t last = 0;
  };
  static Range Find(const Story& story, const Shape& shape);
  static bool Owed(const Step& step, const Promise& promise);
  void JudgeOne(const std::string& key, const Story& story, const Shape& shown,
                const Promise& promise, uint64_t latest, Clock::time_point cut_at, Verdict* verdict)
      REQUIRES(mutex_);

  Mutex mutex_;
  uint64_t moments_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Story> stories_ GUARDED_BY(mutex_);
  uint64_t highest_fence_ GUARDED_BY(mutex_) = 0;
};

}  // namespace onced

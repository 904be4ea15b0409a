// SPDX-License-Identifier: MIT
// Pipe: bytes on their way from one thread to another, a few at a time: a body, or an answer, that
// is passed on while it comes, and of which only so much is ever in memory.
//
// Threads: one writes, one reads, each from any thread; the two callbacks are called on the other
// side's thread, and must only post. Set them before the other side begins.
// Invariants: 1. What is read is what was written, in order, and the end only after all of it. 2. A
// writer that stops when it is told keeps no more than `room` bytes and one piece in memory. 3. No
// callback is called with the mutex held; one may still come while its side lets go.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "engine/mutex.h"

namespace onced::wire {

class Pipe {
 public:
  explicit Pipe(size_t room) : room_(room) {}
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  enum class End {
    kWhole,   // all there is has been written
    kBroken,  // the rest will never come
  };

  // The writer's side.
  // Takes all of `bytes`. True when more is welcome; otherwise on_room is called when it is.
  bool Write(std::string_view bytes) EXCLUDES(mutex_);
  // Nothing more comes. Only the first call counts.
  void Close(End end) EXCLUDES(mutex_);
  // The reader has let go: what is written goes nowhere.
  bool abandoned() const EXCLUDES(mutex_);
  // Close was called, and said that this was all.
  bool whole() const EXCLUDES(mutex_);
  // Close was called, and said that the rest will never come.
  bool broken() const EXCLUDES(mutex_);
  void OnRoom(std::function<void()> call) EXCLUDES(mutex_);

  // The reader's side.
  struct Taken {
    std::string bytes;   // empty: nothing is here just now; on_readable is called when there is
    bool ended = false;  // and these were the last
    bool broken = false;
  };
  Taken Take() EXCLUDES(mutex_);
  // At most `most` bytes; when there are more, take again without waiting for a call.
  Taken TakeSome(size_t most) EXCLUDES(mutex_);
  void Abandon() EXCLUDES(mutex_);
  void OnReadable(std::function<void()> call) EXCLUDES(mutex_);

  size_t size() const EXCLUDES(mutex_);  // what is in it

 private:
  const size_t room_;
  mutable Mutex mutex_;
  std::string bytes_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool broken_ GUARDED_BY(mutex_) = false;
  bool abandoned_ GUARDED_BY(mutex_) = false;
  bool reader_told_ GUARDED_BY(mutex_) = false;  // or has not taken all yet
  bool writer_waits_ GUARDED_BY(mutex_) = false;
  std::function<void()> on_room_ GUARDED_BY(mutex_);
  std::function<void()> on_readable_ GUARDED_BY(mutex_);
};

}  // namespace onced::wire

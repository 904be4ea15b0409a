// SPDX-License-Identifier: MIT
#include "server/wire/pipe.h"

#include <limits>
#include <utility>

namespace onced::wire {

bool Pipe::Write(std::string_view bytes) {
  std::function<void()> call;
  bool welcome = false;
  {
    MutexLock lock(mutex_);
    if (closed_ || abandoned_) return false;
    bytes_.append(bytes);
    welcome = bytes_.size() < room_;
    writer_waits_ = !welcome;
    if (!std::exchange(reader_told_, true)) call = on_readable_;
  }
  if (call) call();
  return welcome;
}

void Pipe::Close(End end) {
  std::function<void()> call;
  std::function<void()> dropped;  // what it holds is let go outside of the mutex
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    broken_ = end == End::kBroken;
    writer_waits_ = false;
    dropped.swap(on_room_);
    if (!abandoned_ && !std::exchange(reader_told_, true)) call = on_readable_;
  }
  if (call) call();
}

bool Pipe::abandoned() const {
  MutexLock lock(mutex_);
  return abandoned_;
}

bool Pipe::whole() const {
  MutexLock lock(mutex_);
  return closed_ && !broken_;
}

size_t Pipe::size() const {
  MutexLock lock(mutex_);
  return bytes_.size();
}

bool Pipe::broken() const {
  MutexLock lock(mutex_);
  return broken_;
}

void Pipe::OnRoom(std::function<void()> call) {
  MutexLock lock(mutex_);
  on_room_.swap(call);
}

void Pipe::OnReadable(std::function<void()> call) {
  MutexLock lock(mutex_);
  on_readable_.swap(call);
}

Pipe::Taken Pipe::Take() { return TakeSome(std::numeric_limits<size_t>::max()); }

Pipe::Taken Pipe::TakeSome(size_t most) {
  std::function<void()> call;
  Taken taken;
  {
    MutexLock lock(mutex_);
    if (bytes_.size() <= most) {
      taken.bytes.swap(bytes_);
      taken.ended = closed_;
      taken.broken = broken_;
      reader_told_ = closed_;
    } else {
      taken.bytes = bytes_.substr(0, most);
      bytes_.erase(0, most);
    }
    if (bytes_.size() < room_ && std::exchange(writer_waits_, false)) call = on_room_;
  }
  if (call) call();
  return taken;
}

void Pipe::Abandon() {
  std::function<void()> call;
  std::function<void()> dropped;
  {
    MutexLock lock(mutex_);
    if (std::exchange(abandoned_, true)) return;
    bytes_.clear();
    dropped.swap(on_readable_);
    if (!closed_) call = on_room_;  // it may be waiting, and must learn that it is for nothing
  }
  if (call) call();
}

}  // namespace onced::wire

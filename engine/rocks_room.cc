// SPDX-License-Identifier: MIT
#include "engine/rocks_room.h"

#include <string>
#include <utility>

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPatience{6'000};  // a try that failed is only known by the next look
constexpr milliseconds kLettingGo{200};   // it has told its end, and has yet to leave

}  // namespace

class RoomWatch::WatchedFiles : public rocksdb::FileSystemWrapper {
 public:
  WatchedFiles(const std::shared_ptr<rocksdb::FileSystem>& files, std::shared_ptr<RoomWatch> watch,
               uint64_t reserve)
      : FileSystemWrapper(files), watch_(std::move(watch)), reserve_(reserve) {}
  const char* Name() const override { return "onced.WatchedRoom"; }
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* free, rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus told = FileSystemWrapper::GetFreeSpace(path, options, free, debug);
    if (path.ends_with(".sst")) return told;  // of a compaction, before it begins
    const bool may_try = watch_->MayTry(told.ok() ? std::optional(*free) : std::nullopt, reserve_);
    if (told.ok() && !may_try) told = rocksdb::IOStatus::NoSpace("no room to recover");
    return told;
  }

 private:
  const std::shared_ptr<RoomWatch> watch_;
  const uint64_t reserve_;
};

std::shared_ptr<rocksdb::FileSystem> RoomWatch::Watch(
    const std::shared_ptr<rocksdb::FileSystem>& files, uint64_t reserve) {
  return std::make_shared<WatchedFiles>(files, shared_from_this(), reserve);
}

bool RoomWatch::MayTry(std::optional<uint64_t> free, uint64_t reserve) {
  MutexLock lock(mutex_);
  trying_ = free.has_value() && !closing_ && (!hard_ || *free >= reserve);
  changed_.NotifyAll();
  return trying_;
}

void RoomWatch::RecoveryBegins(bool hard) {
  MutexLock lock(mutex_);
  hard_ = hard;
}

void RoomWatch::RecoveryEnded() {
  MutexLock lock(mutex_);
  trying_ = false;
  ended_at_ = steady_clock::now();
  changed_.NotifyAll();
}

void RoomWatch::Close() {
  const auto until = steady_clock::now() + kPatience;
  MutexLock lock(mutex_);
  closing_ = true;
  while (trying_) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) return;
    changed_.WaitFor(mutex_, left);
  }
  while (steady_clock::now() < ended_at_ + kLettingGo) changed_.WaitFor(mutex_, kLettingGo);
}

}  // namespace onced

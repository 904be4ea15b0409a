// SPDX-License-Identifier: MIT
// Preloaded into the program: a disk whose syncs fail from the moment a file appears whose path is
// in ONCED_BREAK_SYNC; or one whose syncs of logs do not return while there is a file whose path is
// in ONCED_HOLD_SYNC, and make one with .held behind its name when they come to wait; one whose
// reads of the high-water mark do so, by ONCED_HOLD_READ; or, where
// ONCED_SLOW_SYNC names a file, one whose syncs of logs take up to ONCED_SLOW_SYNC_MS, and are
// written there, a line each: when it was called and when it returned, in nanoseconds of the steady
// clock.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

namespace {

using Sync = int (*)(int);

bool Broken() {
  const char* path = std::getenv("ONCED_BREAK_SYNC");
  return path != nullptr && access(path, F_OK) == 0;
}

bool IsFile(int fd, const char* end) {
  char path[4'096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path, sizeof path);
  return size > 0 && std::string(path, static_cast<size_t>(size)).ends_with(end);
}

bool IsLog(int fd) { return IsFile(fd, ".log"); }

std::string Now() {
  return std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
}

int SyncSlowly(Sync sync, int fd, const char* trace) {
  thread_local std::mt19937 random(std::random_device{}());
  const char* const most = std::getenv("ONCED_SLOW_SYNC_MS");
  const unsigned long most_ms = most == nullptr ? 100 : std::strtoul(most, nullptr, 10);
  std::string line = Now() + " ";
  // real time: the disk that this stands for takes it
  std::this_thread::sleep_for(std::chrono::milliseconds(random() % (most_ms + 1)));
  const int result = sync(fd);
  line += Now() + "\n";
  const int out = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (write(out, line.data(), line.size()) < 0) std::abort();
  close(out);
  return result;
}

void WaitWhileHeld(const char* variable) {
  const char* const hold = std::getenv(variable);
  if (hold == nullptr || access(hold, F_OK) != 0) return;
  const std::string held = std::string(hold) + ".held";
  const int fd = open(held.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) std::abort();
  close(fd);
  // real time: the disk that this stands for takes it
  while (access(hold, F_OK) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

int SyncUnlessBroken(const char* name, int fd) {
  if (Broken()) {
    errno = EIO;
    return -1;
  }
  const auto sync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name));
  if (IsLog(fd)) WaitWhileHeld("ONCED_HOLD_SYNC");
  const char* const trace = std::getenv("ONCED_SLOW_SYNC");
  return trace != nullptr && IsLog(fd) ? SyncSlowly(sync, fd, trace) : sync(fd);
}

}  // namespace

extern "C" int fdatasync(int fd) { return SyncUnlessBroken("fdatasync", fd); }
extern "C" int fsync(int fd) { return SyncUnlessBroken("fsync", fd); }

extern "C" ssize_t pread(int fd, void* bytes, size_t size, off_t at) {
  using Read = ssize_t (*)(int, void*, size_t, off_t);
  static const auto read = reinterpret_cast<Read>(dlsym(RTLD_NEXT, "pread"));
  if (std::getenv("ONCED_HOLD_READ") != nullptr && IsFile(fd, "/high-water")) {
    WaitWhileHeld("ONCED_HOLD_READ");
  }
  return read(fd, bytes, size, at);
}

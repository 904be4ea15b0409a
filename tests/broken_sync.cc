// SPDX-License-Identifier: MIT
// Preloaded into the program: a disk whose syncs fail from the moment a file appears whose path is
// in ONCED_BREAK_SYNC; or one whose syncs of logs do not return while there is a file whose path is
// in ONCED_HOLD_SYNC, and make one with .held behind its name when they come to wait; one
// whose reads of the high-water mark do so, by ONCED_HOLD_READ, or whose writes to logs, by
// ONCED_HOLD_WRITE; one that does not take what is written to stderr, by ONCED_HOLD_STDERR (and
// makes no other file); or, where
// ONCED_SLOW_SYNC names a file, one whose syncs of logs take up to ONCED_SLOW_SYNC_MS (100), and
// whose syncs are all written there, a line when each is called and one when it has returned: when
// it was called, when it returned or 0, in nanoseconds of the steady clock, and of which file or
// folder. One in ten takes up to twenty times as long, but never more than thirty of them.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
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

std::string PathOf(int fd) {
  char path[4'096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "?";
}
bool IsLog(const std::string& path) { return path.ends_with(".log"); }

std::string Now() {
  return std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
}

// Such as a disk has that is busy, or writes a sector again: two seconds, where the others take a
// tenth of one.
bool IsVerySlow(std::mt19937& random) {
  static std::atomic<int> left{30};
  return random() % 10 == 0 && --left >= 0;
}

void Note(const char* trace, const std::string& line) {
  const int out = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (write(out, line.data(), line.size()) < 0) std::abort();
  close(out);
}

int SyncAndNote(Sync sync, int fd, const std::string& path, const char* trace) {
  thread_local std::mt19937 random(std::random_device{}());
  const char* const most = std::getenv("ONCED_SLOW_SYNC_MS");
  unsigned long most_ms = most == nullptr ? 100 : std::strtoul(most, nullptr, 10);
  if (IsVerySlow(random)) most_ms *= 20;
  const std::string called = Now();
  Note(trace, called + " 0 " + path + "\n");
  if (IsLog(path)) {
    // real time: the disk that this stands for takes it
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % (most_ms + 1)));
  }
  const int result = sync(fd);
  Note(trace, called + " " + Now() + " " + path + "\n");
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
  const std::string path = PathOf(fd);
  if (IsLog(path)) WaitWhileHeld("ONCED_HOLD_SYNC");
  const char* const trace = std::getenv("ONCED_SLOW_SYNC");
  return trace != nullptr ? SyncAndNote(sync, fd, path, trace) : sync(fd);
}

// As write(2) does it allocates nothing.
void HoldStderr(int fd) {
  const char* const hold = fd == STDERR_FILENO ? std::getenv("ONCED_HOLD_STDERR") : nullptr;
  if (hold == nullptr) return;
  // real time: the disk that this stands for takes it
  while (access(hold, F_OK) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

extern "C" int fdatasync(int fd) { return SyncUnlessBroken("fdatasync", fd); }
extern "C" int fsync(int fd) { return SyncUnlessBroken("fsync", fd); }

extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  using Write = ssize_t (*)(int, const void*, size_t);
  static const auto write = reinterpret_cast<Write>(dlsym(RTLD_NEXT, "write"));
  HoldStderr(fd);
  if (std::getenv("ONCED_HOLD_WRITE") != nullptr && IsLog(PathOf(fd))) {
    WaitWhileHeld("ONCED_HOLD_WRITE");
  }
  return write(fd, bytes, size);
}
extern "C" ssize_t writev(int fd, const iovec* parts, int count) {
  using Write = ssize_t (*)(int, const iovec*, int);
  static const auto write = reinterpret_cast<Write>(dlsym(RTLD_NEXT, "writev"));
  HoldStderr(fd);
  return write(fd, parts, count);
}

extern "C" ssize_t pread(int fd, void* bytes, size_t size, off_t at) {
  using Read = ssize_t (*)(int, void*, size_t, off_t);
  static const auto read = reinterpret_cast<Read>(dlsym(RTLD_NEXT, "pread"));
  if (std::getenv("ONCED_HOLD_READ") != nullptr && PathOf(fd).ends_with("/high-water")) {
    WaitWhileHeld("ONCED_HOLD_READ");
  }
  return read(fd, bytes, size, at);
}

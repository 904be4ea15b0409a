// SPDX-License-Identifier: MIT
// Preloaded into the program by log_failure_test: a disk whose syncs fail from the moment a file
// appears whose path is in ONCED_BREAK_SYNC.
#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

bool Broken() {
  const char* path = std::getenv("ONCED_BREAK_SYNC");
  return path != nullptr && access(path, F_OK) == 0;
}

int SyncUnlessBroken(const char* name, int fd) {
  if (Broken()) {
    errno = EIO;
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, name))(fd);
}

}  // namespace

extern "C" int fdatasync(int fd) { return SyncUnlessBroken("fdatasync", fd); }
extern "C" int fsync(int fd) { return SyncUnlessBroken("fsync", fd); }

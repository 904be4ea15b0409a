// SPDX-License-Identifier: MIT
#include "engine/synced_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

namespace onced {
namespace {

std::error_code LastError() { return {errno, std::generic_category()}; }

}  // namespace

Status FileFault(const std::string& what, const std::string& path, const std::error_code& error) {
  std::string message = what + " " + path + ": " + error.message();
  return error == std::errc::no_space_on_device ? Status::NoSpace(std::move(message))
                                                : Status::IoError(std::move(message));
}

namespace {

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The standard library's copy tells a full disk as an I/O error.
bool Copied(int from, int to, uint64_t left) {
  std::vector<char> block(size_t{1} << 20);
  while (left > 0) {
    const ssize_t got = read(from, block.data(), std::min<uint64_t>(block.size(), left));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    left -= static_cast<uint64_t>(got);
    for (ssize_t put = 0; put < got;) {
      const ssize_t wrote = write(to, block.data() + put, static_cast<size_t>(got - put));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return false;
      put += wrote;
    }
  }
  return true;
}

// `what`: of messages.
Status Synced(const std::string& path, int flags, const std::string& what) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return FileFault("open" + what, path, LastError());
  const int synced = fsync(fd);
  const std::error_code error = LastError();
  close(fd);
  return synced == 0 ? Status::Ok() : FileFault("sync" + what, path, error);
}

// What was written as `unfinished` becomes `path`.
Status Finish(const std::string& unfinished, const std::string& path) {
  ONCED_RETURN_IF_ERROR(Synced(unfinished, 0, ""));
  std::error_code error;
  std::filesystem::rename(unfinished, path, error);
  return error ? FileFault("rename", unfinished, error) : Status::Ok();
}

}  // namespace

Status SyncFolder(const std::string& path) { return Synced(path, O_DIRECTORY, " folder"); }

Status CopyWhole(const std::string& from, const std::string& to, std::optional<uint64_t> bytes) {
  const std::string unfinished = to + ".unfinished";
  const Descriptor source(from, O_RDONLY);
  if (source.get() < 0) return FileFault("copy", from, LastError());
  {
    const Descriptor copy(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
    // What grows may have grown meanwhile: no more than was asked for.
    const bool copied =
        copy.get() >= 0 && Copied(source.get(), copy.get(), bytes.value_or(UINT64_MAX));
    if (!copied) return FileFault("copy to", unfinished, LastError());
  }
  return Finish(unfinished, to);
}

Status WriteWhole(const std::string& path, const std::string& text) {
  const std::string unfinished = path + ".unfinished";
  {
    std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) return FileFault("write", unfinished, LastError());
  }
  return Finish(unfinished, path);
}

}  // namespace onced

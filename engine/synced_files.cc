// SPDX-License-Identifier: MIT
#include "engine/synced_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace onced {
namespace {

std::error_code LastError() { return {errno, std::generic_category()}; }

}  // namespace

Status FileFault(const std::string& what, const std::string& path, const std::error_code& error) {
  std::string message = what + " " + path + ": " + error.message();
  return error == std::errc::no_space_on_device ? Status::NoSpace(std::move(message))
                                                : Status::IoError(std::move(message));
}

Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileFault("open folder", path, LastError());
  const int synced = fsync(fd);
  const std::error_code error = LastError();
  close(fd);
  return synced == 0 ? Status::Ok() : FileFault("sync folder", path, error);
}

namespace {

// What was written as `unfinished` becomes `path`.
Status Finish(const std::string& unfinished, const std::string& path) {
  const int fd = open(unfinished.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileFault("open", unfinished, LastError());
  const int synced = fsync(fd);
  std::error_code error = LastError();
  close(fd);
  if (synced != 0) return FileFault("sync", unfinished, error);
  std::filesystem::rename(unfinished, path, error);
  return error ? FileFault("rename", unfinished, error) : Status::Ok();
}

}  // namespace

Status CopyWhole(const std::string& from, const std::string& to, std::optional<uint64_t> bytes) {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::string unfinished = to + ".unfinished";
  fs::copy_file(from, unfinished, fs::copy_options::overwrite_existing, error);
  // What grows may have grown meanwhile.
  if (!error && bytes.has_value()) fs::resize_file(unfinished, *bytes, error);
  if (error) return FileFault("copy to", unfinished, error);
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

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

namespace {

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

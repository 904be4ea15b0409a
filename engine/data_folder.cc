// SPDX-License-Identifier: MIT
#include "engine/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <vector>

namespace onced {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kReserveBytes = 256ULL << 20;
constexpr uint64_t kReserveShare = 20;  // one part in twenty: 5 %

Status Failed(const std::string& what, const std::string& path, const std::error_code& error) {
  std::string message = what + " " + path + ": " + error.message();
  return error == std::errc::no_space_on_device ? Status::NoSpace(std::move(message))
                                                : Status::IoError(std::move(message));
}

std::error_code LastError() { return {errno, std::generic_category()}; }

// A new directory entry survives a power cut only once its directory is synced.
Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open folder", path, LastError());
  const int synced = fsync(fd);
  const std::error_code error = LastError();
  close(fd);
  return synced == 0 ? Status::Ok() : Failed("sync folder", path, error);
}

}  // namespace

Result<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  std::error_code error;
  const bool created = fs::create_directories(path, error);
  if (error) return Failed("create data folder", path, error);
  // Only what we made is ours to restrict.
  if (created) fs::permissions(path, fs::perms::owner_all, error);
  if (error) return Failed("restrict data folder", path, error);
  const std::string lock_path = path + "/onced.lock";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("open", lock_path, LastError());
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::error_code why = LastError();
    close(fd);
    if (why == std::errc::operation_would_block) {
      return Status::Unavailable("lock data folder " + path + ": in use by another onced");
    }
    return Failed("lock", lock_path, why);
  }
  std::unique_ptr<DataFolder> folder(new DataFolder(path, fd));
  ONCED_RETURN_IF_ERROR(SyncFolder(path));
  ONCED_RETURN_IF_ERROR(SyncFolder(fs::absolute(path).parent_path().string()));
  return folder;
}

DataFolder::~DataFolder() { close(lock_fd_); }

Result<bool> DataFolder::HasDatabase() const {
  std::error_code error;
  for (fs::directory_iterator at(database(), error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with("LOG") && name != "LOCK") return true;
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Failed("list", database(), error);
  }
  return false;
}

Status DataFolder::CheckDatabase() const {
  const Result<bool> has = HasDatabase();
  if (!has.ok()) return has.status();
  std::error_code error;
  if (!*has || fs::exists(database() + "/CURRENT", error)) return Status::Ok();
  return Status::Corruption("open " + database() +
                            ": the file CURRENT is missing; nothing was touched");
}

Result<std::string> DataFolder::FileWithData() const {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(database(), error)) {
    const fs::path extension = entry.path().extension();
    std::error_code unseen;  // its size is then not 0
    if (extension == ".sst" || (extension == ".log" && fs::file_size(entry.path(), unseen) != 0)) {
      return entry.path().string();
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Failed("list", database(), error);
  }
  return std::string();
}

Status DataFolder::DropDatabase() {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator at(database(), error), end; !error && at != end;
       at.increment(error)) {
    entries.push_back(at->path());
  }
  if (error) return Failed("list", database(), error);
  for (const fs::path& entry : entries) {
    fs::remove_all(entry, error);
    if (error) return Failed("remove", entry.string(), error);
  }
  return Status::Ok();
}

Status DataFolder::QuarantineLogs() {
  std::error_code error;
  fs::create_directories(quarantine(), error);
  if (error) return Failed("create", quarantine(), error);
  for (const fs::directory_entry& entry : fs::directory_iterator(database(), error)) {
    if (entry.path().extension() != ".log") continue;
    const fs::path link = quarantine() / entry.path().filename();
    fs::create_hard_link(entry.path(), link, error);
    if (error && error != std::errc::file_exists) return Failed("link log", link.string(), error);
    error.clear();
  }
  if (error) return Failed("list", database(), error);
  ONCED_RETURN_IF_ERROR(SyncFolder(quarantine()));
  return SyncEntries();
}

std::string DataFolder::QuarantinedLogs() const {
  std::set<std::string> logs;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(quarantine(), error)) {
    logs.insert(entry.path().filename().string());
  }
  std::string names;
  for (const std::string& log : logs) names += (names.empty() ? "" : ", ") + log;
  return names.empty() ? "there are none" : names;
}

Status DataFolder::SyncEntries() const { return SyncFolder(path_); }

Status DataFolder::DropQuarantine() {
  std::error_code error;
  fs::remove_all(quarantine(), error);
  return error ? Failed("remove", quarantine(), error) : Status::Ok();
}

Status DataFolder::KeepQuarantine() {
  std::error_code error;
  if (!fs::exists(quarantine(), error)) return Status::Ok();
  std::string kept;
  for (int number = 1; kept.empty() || fs::exists(kept, error); ++number) {
    kept = quarantine() + "-" + std::to_string(number);
  }
  fs::rename(quarantine(), kept, error);
  return error ? Failed("rename", quarantine(), error) : Status::Ok();
}

DataFolder::Space DataFolder::CheckSpace(uint64_t owed_bytes) const {
  struct statvfs fs_state {};
  if (statvfs(path_.c_str(), &fs_state) != 0) return {.free_bytes = 0, .low = true};
  const uint64_t free_bytes = uint64_t{fs_state.f_bavail} * fs_state.f_frsize;
  const uint64_t all_bytes = uint64_t{fs_state.f_blocks} * fs_state.f_frsize;
  const uint64_t reserve = std::min(kReserveBytes, all_bytes / kReserveShare);
  return {.free_bytes = free_bytes, .low = free_bytes < reserve + owed_bytes};
}

uint64_t DataFolder::UsedBytes() const {
  constexpr uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's are
  uint64_t used = 0;
  std::set<ino_t> links;
  std::error_code error;
  fs::recursive_directory_iterator at(path_, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    struct stat file {};
    if (lstat(at->path().c_str(), &file) != 0) continue;  // gone by now
    if (file.st_nlink > 1 && S_ISREG(file.st_mode) && !links.insert(file.st_ino).second) continue;
    used += static_cast<uint64_t>(file.st_blocks) * kBlockBytes;
  }
  return used;
}

}  // namespace onced

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

#include "engine/high_water.h"
#include "engine/synced_files.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kReserveBytes = 256ULL << 20;
constexpr uint64_t kReserveShare = 20;  // one part in twenty: 5 %

std::error_code LastError() { return {errno, std::generic_category()}; }

// What a folder has in it; nothing when it is not there.
Result<std::vector<fs::path>> EntriesOf(const std::string& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    entries.push_back(at->path());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return FileFault("list", folder, error);
  return entries;
}

// Of RocksDB's files those without which it is no database, or another.
bool IsOfDatabase(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string extension = path.extension().string();
  // What a restore or a backup that was cut short has left is of one, too.
  if (extension == ".unfinished") return true;
  return name == "CURRENT" || name == "IDENTITY" || name.starts_with("MANIFEST-") ||
         name.starts_with("OPTIONS-") || extension == ".log" || extension == ".sst" ||
         extension == ".blob" || extension == ".dbtmp";
}

// The folders in which an entry is new once `path` and what leads to it has been created: the
// first that is there already, and those that are not.
std::vector<std::string> FoldersWithNewEntries(const std::string& path) {
  std::vector<std::string> folders;
  fs::path at = fs::absolute(path).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  std::error_code unknown;  // counts as not there
  do {
    at = at.parent_path();
    folders.push_back(at.string());
  } while (at.has_relative_path() && !fs::exists(at, unknown));
  return folders;
}

bool CannotBeLinked(const std::error_code& error) {
  return error == std::errc::cross_device_link || error == std::errc::operation_not_permitted ||
         error == std::errc::too_many_links || error == std::errc::not_supported ||
         error == std::errc::operation_not_supported || error == std::errc::function_not_supported;
}

std::string LockOf(const std::string& folder) { return folder + "/onced.lock"; }

}  // namespace

Result<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  const std::vector<std::string> parents = FoldersWithNewEntries(path);
  std::error_code error;
  const bool created = fs::create_directories(path, error);
  if (error) return FileFault("create data folder", path, error);
  // Only what we made is ours to restrict.
  if (created) fs::permissions(path, fs::perms::owner_all, error);
  if (error) return FileFault("restrict data folder", path, error);
  const std::string lock_path = LockOf(path);
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FileFault("open", lock_path, LastError());
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::error_code why = LastError();
    // Who only reads shares it.
    const bool is_read = flock(fd, LOCK_SH | LOCK_NB) == 0;
    close(fd);
    if (is_read) {
      return Status::Unavailable("lock data folder " + path +
                                 ": it is being read, by `onced verify`; wait until that is done");
    }
    if (why == std::errc::operation_would_block) {
      return Status::Unavailable("lock data folder " + path + ": in use by another onced");
    }
    return FileFault("lock", lock_path, why);
  }
  std::unique_ptr<DataFolder> folder(new DataFolder(path, fd));
  ONCED_RETURN_IF_ERROR(SyncFolder(path));
  for (const std::string& parent : parents) {
    // One that was there, and may be passed but not listed, is whoever has made our folder's to
    // sync.
    if (!created && access(parent.c_str(), R_OK) != 0) continue;
    ONCED_RETURN_IF_ERROR(SyncFolder(parent));
  }
  return folder;
}

Result<std::shared_ptr<void>> DataFolder::KeepStill(const std::string& path) {
  const int fd = open(LockOf(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::shared_ptr<void>();
  if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
    return std::shared_ptr<void>(nullptr, [fd](void*) { close(fd); });
  }
  close(fd);
  return Status::Unavailable(path + ": in use by a onced; make a backup, and look at that");
}

Status DataFolder::LookAt(const std::string& path, bool accept_data_loss) {
  std::error_code unseen;  // then it counts as not there
  if (fs::is_symlink(path, unseen) && !fs::exists(path, unseen)) {
    return Status::InvalidArgument(path + ": is a link to what is not there");
  }
  const DataFolder folder(path, /*lock_fd=*/-1);
  for (const std::string& file : {LockOf(path), folder.high_water()}) {
    if (fs::exists(file, unseen) && !fs::is_regular_file(file, unseen)) {
      return Status::InvalidArgument(file + ": is no file");
    }
  }
  ONCED_RETURN_IF_ERROR(folder.CheckDatabase());
  if (accept_data_loss) return Status::Ok();
  const Result<bool> has_database = folder.HasDatabase();
  if (!has_database.ok()) return has_database.status();
  if (!*has_database && !fs::exists(folder.high_water(), unseen)) return Status::Ok();  // a new one
  const Result<HighWaterMark> mark = HighWater::Peek(folder.high_water());
  if (!mark.ok()) return *has_database ? mark.status() : Status::Ok();
  if (*has_database || mark->epoch == 0) return Status::Ok();
  return Status::Corruption(folder.database() +
                            ": synced data is missing: there is no database, and there was one");
}

DataFolder::~DataFolder() { close(lock_fd_); }

Result<bool> DataFolder::HasDatabase() const {
  const Result<std::vector<fs::path>> entries = EntriesOf(database());
  if (!entries.ok()) return entries.status();
  return std::any_of(entries->begin(), entries->end(), IsOfDatabase);
}

Status DataFolder::CheckDatabase() const {
  const Result<bool> has = HasDatabase();
  if (!has.ok()) return has.status();
  const std::string current = database() + "/CURRENT";
  std::error_code error;
  if (!*has || fs::exists(current, error)) return Status::Ok();
  if (error) return FileFault("look for", current, error);
  return Status::Corruption("open " + database() +
                            ": the file CURRENT is missing; nothing was touched");
}

Result<std::string> DataFolder::FileWithData() const {
  const Result<std::vector<fs::path>> entries = EntriesOf(database());
  if (!entries.ok()) return entries.status();
  for (const fs::path& path : *entries) {
    std::error_code unseen;  // its size is then not 0
    if (path.extension() == ".sst" ||
        (path.extension() == ".log" && fs::file_size(path, unseen) != 0)) {
      return path.string();
    }
  }
  return std::string();
}

Status DataFolder::DropDatabase() {
  const Result<std::vector<fs::path>> entries = EntriesOf(database());
  if (!entries.ok()) return entries.status();
  for (const fs::path& entry : *entries) {
    if (!IsOfDatabase(entry)) continue;
    std::error_code error;
    fs::remove(entry, error);
    if (error) return FileFault("remove", entry.string(), error);
  }
  return Status::Ok();
}

Status DataFolder::QuarantineLogs() {
  const Result<bool> all = Quarantine(".log", /*may_copy=*/true);
  return all.ok() ? Status::Ok() : all.status();
}

Result<bool> DataFolder::QuarantineTables() { return Quarantine(".sst", /*may_copy=*/false); }

Result<bool> DataFolder::Quarantine(const std::string& extension, bool may_copy) {
  std::error_code error;
  fs::create_directories(quarantine(), error);
  if (error) return FileFault("create", quarantine(), error);
  const Result<std::vector<fs::path>> entries = EntriesOf(database());
  if (!entries.ok()) return entries.status();
  for (const fs::path& path : *entries) {
    if (path.extension() != extension) continue;
    const fs::path link = quarantine() / path.filename();
    if (fs::exists(link, error)) continue;
    fs::create_hard_link(path, link, error);
    if (error && CannotBeLinked(error)) {
      if (!may_copy) return false;
      ONCED_RETURN_IF_ERROR(CopyWhole(path.string(), link.string()));
    } else if (error) {
      return FileFault("link", link.string(), error);
    }
  }
  ONCED_RETURN_IF_ERROR(SyncFolder(quarantine()));
  ONCED_RETURN_IF_ERROR(SyncEntries());
  return true;
}

Status DataFolder::SyncEntries() const { return SyncFolder(path_); }

Status DataFolder::DropQuarantine() {
  std::error_code error;
  fs::remove_all(quarantine(), error);
  return error ? FileFault("remove", quarantine(), error) : Status::Ok();
}

Status DataFolder::KeepQuarantine() {
  std::error_code error;
  if (!fs::exists(quarantine(), error)) return Status::Ok();
  std::string kept;
  for (int number = 1; kept.empty() || fs::exists(kept, error); ++number) {
    kept = quarantine() + "-" + std::to_string(number);
  }
  fs::rename(quarantine(), kept, error);
  return error ? FileFault("rename", quarantine(), error) : Status::Ok();
}

DataFolder::Space DataFolder::CheckSpace(uint64_t owed_bytes) const {
  Space least{.free_bytes = UINT64_MAX};
  // The database may be a disk of its own.
  for (const std::string& path : {path_, database()}) {
    struct statvfs fs_state {};
    if (statvfs(path.c_str(), &fs_state) != 0) {
      if (errno == ENOENT && path != path_) continue;  // it will be a folder in ours
      return {.free_bytes = 0, .low = true};
    }
    const uint64_t free_bytes = uint64_t{fs_state.f_bavail} * fs_state.f_frsize;
    const uint64_t all_bytes = uint64_t{fs_state.f_blocks} * fs_state.f_frsize;
    const uint64_t reserve = std::min(kReserveBytes, all_bytes / kReserveShare);
    if (free_bytes < least.free_bytes) {
      least.free_bytes = free_bytes;
      least.needed_bytes = reserve + owed_bytes;
    }
    least.low = least.low || free_bytes < reserve + owed_bytes;
  }
  return least;
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

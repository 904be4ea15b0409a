// SPDX-License-Identifier: MIT
#include "engine/backup_list.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/synced_files.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

std::string ListOf(const std::string& backup) { return backup + "/files"; }

Result<uint32_t> CrcOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  uLong crc = crc32(0, nullptr, 0);
  std::array<char, 1 << 16> piece{};
  while (file) {
    file.read(piece.data(), piece.size());
    crc =
        crc32(crc, reinterpret_cast<const Bytef*>(piece.data()), static_cast<uInt>(file.gcount()));
  }
  if (!file.eof()) return Status::IoError("read " + path);
  return static_cast<uint32_t>(crc);
}

Result<BackupFile> Described(const fs::path& path) {
  std::error_code error;
  BackupFile file{.name = path.filename().string(), .bytes = fs::file_size(path, error)};
  if (error) return FileFault("look at", path.string(), error);
  if (path.extension() == ".sst") return file;
  const Result<uint32_t> crc = CrcOf(path.string());
  if (!crc.ok()) return crc.status();
  file.crc = *crc;
  return file;
}

}  // namespace

Status WriteBackupList(const std::string& backup, const std::string& database) {
  std::error_code error;
  std::ostringstream list;
  for (fs::directory_iterator at(database, error), end; !error && at != end; at.increment(error)) {
    const Result<BackupFile> file = Described(at->path());
    if (!file.ok()) return file.status();
    list << file->bytes << ' ' << (file->crc.has_value() ? std::to_string(*file->crc) : "-") << ' '
         << file->name << '\n';
  }
  if (error) return FileFault("list", database, error);
  return WriteWhole(ListOf(backup), list.str());
}

Result<std::vector<BackupFile>> CheckBackupList(const std::string& backup,
                                                const std::string& database) {
  std::ifstream list(ListOf(backup));
  std::vector<BackupFile> files;
  BackupFile file;
  for (std::string crc; list >> file.bytes >> crc >> file.name;) {
    const std::string path = database + "/" + file.name;
    std::error_code error;
    if (!fs::exists(path, error)) return Status::Corruption(path + ": is missing");
    const Result<BackupFile> found = Described(path);
    if (!found.ok()) return found.status();
    const bool same =
        found->bytes == file.bytes &&
        (crc == "-" || (found->crc.has_value() && std::to_string(*found->crc) == crc));
    if (!same) return Status::Corruption(path + ": is not as it was when the backup was made");
    files.push_back(*found);
  }
  if (files.empty() || !list.eof()) {
    return Status::Corruption(ListOf(backup) + ": is missing or damaged");
  }
  return files;
}

}  // namespace onced

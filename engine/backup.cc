// SPDX-License-Identifier: MIT
#include "engine/backup.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "engine/clock.h"
#include "engine/data_folder.h"
#include "engine/fences.h"
#include "engine/high_water.h"
#include "engine/synced_files.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

struct Piece {
  fs::path path;
  uint64_t bytes = 0;
};

Result<std::vector<Piece>> PiecesOf(const std::string& folder) {
  std::vector<Piece> pieces;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->is_regular_file(error) || error) continue;
    // RocksDB's own messages, which are nobody's data.
    if (at->path().filename().string().starts_with("LOG")) continue;
    pieces.push_back({at->path(), at->file_size(error)});
    if (error) break;
  }
  if (error) return FileFault("list", folder, error);
  return pieces;
}

Status CheckTarget(const std::string& into) {
  std::error_code error;
  if (!fs::exists(into, error)) return Status::Ok();
  if (!fs::is_directory(into, error)) return Status::InvalidArgument(into + " is no folder");
  if (fs::is_empty(into, error) && !error) return Status::Ok();
  return Status::InvalidArgument(into + " is not empty; nothing was touched");
}

}  // namespace

bool IsBackup(const std::string& path) {
  std::error_code error;
  return fs::exists(path + "/backup", error);
}

Status RestoreBackup(const std::string& backup, const std::string& into, const Progress& progress) {
  if (!IsBackup(backup)) return Status::InvalidArgument(backup + " is no backup of onced");
  ONCED_RETURN_IF_ERROR(CheckTarget(into));
  const Result<HighWaterMark> mark = HighWater::Peek(backup + "/high-water");
  if (!mark.ok()) return mark.status();
  const Result<std::vector<Piece>> pieces = PiecesOf(backup + "/db");
  if (!pieces.ok()) return pieces.status();

  const Result<std::unique_ptr<DataFolder>> folder = DataFolder::Open(into);
  if (!folder.ok()) return folder.status();
  std::error_code error;
  fs::create_directory((*folder)->database(), error);
  if (error) return FileFault("create", (*folder)->database(), error);
  uint64_t all = 0, done = 0;
  for (const Piece& piece : *pieces) all += piece.bytes;
  for (const Piece& piece : *pieces) {
    const fs::path to = fs::path((*folder)->database()) / piece.path.filename();
    ONCED_RETURN_IF_ERROR(CopyWhole(piece.path.string(), to.string()));
    done += piece.bytes;
    if (progress) progress(done, all);
  }
  ONCED_RETURN_IF_ERROR(SyncFolder((*folder)->database()));
  ONCED_RETURN_IF_ERROR((*folder)->SyncEntries());
  // Last: without it no start takes the folder.
  const Result<std::unique_ptr<HighWater>> file = HighWater::Open((*folder)->high_water());
  if (!file.ok()) return file.status();
  GuardedClock clock(NewSystemTimeSource(), mark->anchor);
  const auto restore = [&](HighWaterMark& next) {
    next = *mark;
    next.manifest = {};
    next.epoch = std::max(Fences::NextEpoch(mark->epoch, clock.NowMs()), mark->epoch);
  };
  // Into both slots: one of them may be damaged later.
  ONCED_RETURN_IF_ERROR((*file)->Update(restore));
  ONCED_RETURN_IF_ERROR((*file)->Update([](HighWaterMark&) {}));
  return (*folder)->SyncEntries();
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/backup.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "engine/backup_list.h"
#include "engine/clock.h"
#include "engine/data_folder.h"
#include "engine/fences.h"
#include "engine/high_water.h"
#include "engine/synced_files.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

Status CheckTarget(const std::string& backup, const std::string& into) {
  std::error_code error;
  const std::string real = fs::weakly_canonical(into, error).string() + "/";
  if (error || real.starts_with(fs::weakly_canonical(backup, error).string() + "/")) {
    return Status::InvalidArgument(into + " is within the backup");
  }
  if (!fs::exists(into, error)) return Status::Ok();
  if (!fs::is_directory(into, error)) return Status::InvalidArgument(into + " is no folder");
  if (fs::is_empty(into, error) && !error) return Status::Ok();
  return Status::InvalidArgument(into + " is not empty; nothing was touched");
}

// As high as the machine's clocks can make it: too high costs nothing, too low would let an owner
// of old come back. Refused where no clock can be believed.
Result<uint32_t> EpochAfter(const HighWaterMark& mark) {
  GuardedClock guarded(NewSystemTimeSource(), mark.anchor);
  const int64_t wall_ms = NewSystemTimeSource()->WallNs() / 1'000'000;
  if (wall_ms < mark.anchor.now_ms || wall_ms < GuardedClock::kWrittenMs) {
    return Status::InvalidArgument(
        "the machine's clock is behind the backup's: set it first, for fences go by it");
  }
  const uint32_t epoch = Fences::NextEpoch(mark.epoch, std::max(guarded.NowMs(), wall_ms));
  if (epoch > UINT32_MAX / 2) {
    return Status::InvalidArgument("the machine's clock is decades ahead: set it first");
  }
  return epoch;
}

std::string RestoringOf(const std::string& folder) { return folder + "/restoring"; }

}  // namespace

bool IsBackup(const std::string& path) {
  std::error_code error;
  return fs::exists(path + "/backup", error);
}

bool IsHalfRestored(const std::string& path) {
  std::error_code error;
  return fs::exists(RestoringOf(path), error);
}

Status RestoreBackup(const std::string& backup, const std::string& into, const Progress& progress) {
  if (!IsBackup(backup)) return Status::InvalidArgument(backup + " is no backup of onced");
  ONCED_RETURN_IF_ERROR(CheckTarget(backup, into));
  const Result<HighWaterMark> mark = HighWater::Peek(backup + "/high-water");
  if (!mark.ok()) return mark.status();
  const Result<uint32_t> epoch = EpochAfter(*mark);
  if (!epoch.ok()) return epoch.status();
  const Result<std::vector<BackupFile>> files = CheckBackupList(backup, backup + "/db");
  if (!files.ok()) return files.status();

  const Result<std::unique_ptr<DataFolder>> folder = DataFolder::Open(into);
  if (!folder.ok()) return folder.status();
  // First, and gone last: what is in between no start takes.
  ONCED_RETURN_IF_ERROR(WriteWhole(RestoringOf(into), "Remove this folder, and restore again.\n"));
  ONCED_RETURN_IF_ERROR((*folder)->SyncEntries());
  std::error_code error;
  fs::create_directory((*folder)->database(), error);
  if (error) return FileFault("create", (*folder)->database(), error);
  uint64_t all = 0, done = 0;
  for (const BackupFile& file : *files) all += file.bytes;
  for (const BackupFile& file : *files) {
    ONCED_RETURN_IF_ERROR(
        CopyWhole(backup + "/db/" + file.name, (*folder)->database() + "/" + file.name));
    done += file.bytes;
    if (progress) progress(done, all);
  }
  ONCED_RETURN_IF_ERROR(SyncFolder((*folder)->database()));
  const Result<std::unique_ptr<HighWater>> marks = HighWater::Open((*folder)->high_water());
  if (!marks.ok()) return marks.status();
  const auto restore = [&](HighWaterMark& next) {
    next = *mark;
    next.manifest = {};
    next.logs = {};
    next.epoch = *epoch;
  };
  // Into both slots: one of them may be damaged later.
  ONCED_RETURN_IF_ERROR((*marks)->Update(restore));
  ONCED_RETURN_IF_ERROR((*marks)->Update([](HighWaterMark&) {}));
  ONCED_RETURN_IF_ERROR((*folder)->SyncEntries());
  fs::remove(RestoringOf(into), error);
  if (error) return FileFault("remove", RestoringOf(into), error);
  return (*folder)->SyncEntries();
}

}  // namespace onced

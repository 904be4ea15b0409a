// SPDX-License-Identifier: MIT
// The parts of a backup that know RocksDB: making one of a store that runs, and reading one
// through.
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/backup.h"
#include "engine/backup_list.h"
#include "engine/rocks_options.h"
#include "engine/rocks_parts.h"
#include "engine/rocks_table_check.h"
#include "engine/synced_files.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

Status Told(const char* doing, const rocksdb::Status& s) {
  return s.IsNoSpace() ? Status::NoSpace(std::string(doing) + ": " + s.ToString())
                       : Status::IoError(std::string(doing) + ": " + s.ToString());
}

// Tables never change, so that a link is as good as a copy and costs nothing; on another disk there
// are none.
Status Take(const rocksdb::LiveFileStorageInfo& file, const std::string& folder) {
  const std::string from = file.directory + "/" + file.relative_filename;
  const std::string to = folder + "/" + file.relative_filename;
  if (!file.replacement_contents.empty()) return WriteWhole(to, file.replacement_contents);
  if (file.trim_to_size) return CopyWhole(from, to, file.size);
  if (file.file_type != rocksdb::kTableFile) return CopyWhole(from, to);
  std::error_code error;
  fs::create_hard_link(from, to, error);
  return error ? CopyWhole(from, to) : Status::Ok();
}

// Files that are no longer wanted stay as long as this lives.
class Kept {
 public:
  explicit Kept(rocksdb::DB* db) : db_(db) { (void)db_->DisableFileDeletions(); }
  ~Kept() { (void)db_->EnableFileDeletions(/*force=*/false); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

 private:
  rocksdb::DB* const db_;
};

// Where it lies, without what leads nowhere; or what is wrong with that.
Result<std::string> PlaceOf(const std::string& folder, const std::string& data) {
  const bool clean = std::none_of(folder.begin(), folder.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  fs::path place = fs::path(folder).lexically_normal();
  if (!place.has_filename()) place = place.parent_path();
  if (!clean || !place.is_absolute() || !place.has_relative_path()) {
    return Status::InvalidArgument("folder: must be an absolute path");
  }
  std::error_code error;
  const auto real = fs::weakly_canonical(place, error).string() + "/";
  if (!error && real.starts_with(fs::weakly_canonical(data, error).string() + "/")) {
    return Status::InvalidArgument("folder: is within the data folder");
  }
  if (fs::exists(place, error) || error) {
    return Status::InvalidArgument(
        "folder: there is something already; a backup has one of its own");
  }
  return place.string();
}

}  // namespace

Status RocksStore::Backup(const std::string& folder) {
  const Result<std::string> place = PlaceOf(folder, parts_->options.path);
  if (!place.ok()) return place.status();
  const std::string unfinished = *place + ".unfinished";
  std::error_code error;
  if (!fs::create_directory(unfinished, error)) {
    return Status::InvalidArgument(
        "folder: " + (error ? "cannot be made: " + error.message()
                            : unfinished + " is in the way: what a backup that was cut short has "
                                           "left, or one that is being made"));
  }
  Status made = parts_->FillBackup(unfinished);
  if (made.ok()) {
    fs::rename(unfinished, *place, error);
    made = error ? FileFault("rename", unfinished, error)
                 : SyncFolder(fs::path(*place).parent_path().string());
  }
  if (!made.ok()) fs::remove_all(unfinished, error);
  return made;
}

void RocksStore::EndBackups() { parts_->no_backups = true; }

Status RocksStore::Parts::FillBackup(const std::string& into) {
  const std::string database = into + "/db";
  std::error_code error;
  fs::permissions(into, fs::perms::owner_all, error);
  if (!error) fs::create_directory(database, error);
  if (!error) fs::permissions(database, fs::perms::owner_all, error);
  if (error) return FileFault("create", database, error);
  // First: from now on no start takes it for a data folder.
  ONCED_RETURN_IF_ERROR(
      WriteWhole(into + "/backup", "A backup of onced. Restore it: onced restore\n"));
  ONCED_RETURN_IF_ERROR(SyncFolder(into));

  // Before the data: see backup.h. All up to here is written out as tables by what follows.
  HighWaterMark mark = high_water->mark().value_or(HighWaterMark{});
  mark.synced_sequence = db->LatestSequence();
  if (guarded_clock != nullptr) mark.anchor = guarded_clock->Anchor();
  mark.manifest = {};
  mark.logs = {};
  const Kept kept(db->raw());
  std::vector<rocksdb::LiveFileStorageInfo> files;
  rocksdb::LiveFilesStorageInfoOptions all;
  all.wal_size_for_flush = 0;  // always: little of the log is left to copy
  const rocksdb::Status listed = db->raw()->GetLiveFilesStorageInfo(all, &files);
  if (!listed.ok()) return Told("list files for the backup", listed);
  for (const rocksdb::LiveFileStorageInfo& file : files) {
    if (no_backups) return Status::Unavailable("backup: onced is stopping");
    ONCED_RETURN_IF_ERROR(Take(file, database));
  }
  ONCED_RETURN_IF_ERROR(SyncFolder(database));
  ONCED_RETURN_IF_ERROR(WriteBackupList(into, database));
  // Last, and into both slots. Without it nothing takes the folder for a whole backup.
  Result<std::unique_ptr<HighWater>> marks = HighWater::Open(into + "/high-water");
  if (!marks.ok()) return marks.status();
  ONCED_RETURN_IF_ERROR((*marks)->Update([&](HighWaterMark& next) { next = mark; }));
  ONCED_RETURN_IF_ERROR((*marks)->Update([](HighWaterMark&) {}));
  return SyncFolder(into);
}

namespace {

using Visit = std::function<Status(std::string_view key, std::string_view value)>;

class Reader {
 public:
  ~Reader() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }

  Status Open(const std::string& database) {
    ONCED_RETURN_IF_ERROR(CheckTables(database));
    rocksdb::DBOptions options;
    options.paranoid_checks = true;
    options.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    const SharedMemory memory = NewSharedMemory(Footprint::kEdge);
    for (const char* name : kFamilyNames) {
      families.emplace_back(name, FamilyOptions(Footprint::kEdge, memory, {}, nullptr));
    }
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened =
        rocksdb::DB::OpenForReadOnly(options, database, families, &handles_, &db);
    db_.reset(db);
    return opened.ok() ? Status::Ok()
                       : Status::Corruption("open " + database + ": " + opened.ToString());
  }

  uint64_t sequence() const { return db_->GetLatestSequenceNumber(); }

  // Of tables also what no key leads to: their filters.
  Status CheckSums() {
    const rocksdb::Status checked = db_->VerifyChecksum();
    return checked.ok() ? Status::Ok() : Status::Corruption(checked.ToString());
  }

  Status Each(Family family, const Visit& visit) {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.verify_checksums = true;
    rocksdb::ColumnFamilyHandle* const handle = handles_[static_cast<size_t>(family)];
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const Status visited =
          visit({it->key().data(), it->key().size()}, {it->value().data(), it->value().size()});
      if (!visited.ok()) {
        return Status::Corruption(handle->GetName() + ", key of " +
                                  std::to_string(it->key().size()) +
                                  " bytes: " + visited.message());
      }
    }
    return it->status().ok()
               ? Status::Ok()
               : Status::Corruption(handle->GetName() + ": " + it->status().ToString());
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

uint64_t FenceOf(std::string_view row_key) {
  if (row_key.size() < 8) return 0;
  uint64_t fence = 0;
  for (const char c : row_key.substr(row_key.size() - 8)) {
    fence = fence << 8 | static_cast<uint8_t>(c);
  }
  return fence;
}

Status ReadThrough(const std::string& database, FolderReport* report, const Progress& progress) {
  Reader reader;
  ONCED_RETURN_IF_ERROR(reader.Open(database));
  report->sequence = reader.sequence();
  ONCED_RETURN_IF_ERROR(reader.CheckSums());
  uint64_t done = 0;
  const auto step = [&](std::string_view key, std::string_view value, uint64_t* count) {
    ++*count;
    done += key.size() + value.size();
    report->bytes += key.size() + value.size();
    if (progress && *count % 4096 == 0) progress(done, 0);
  };
  ONCED_RETURN_IF_ERROR(reader.Each(Family::kRecords, [&](auto key, auto value) {
    step(key, value, &report->records);
    return Record::Decode(value).status();
  }));
  ONCED_RETURN_IF_ERROR(reader.Each(Family::kAudit, [&](auto key, auto value) {
    step(key, value, &report->runs);
    return Run::Decode(value, FenceOf(key)).status();
  }));
  ONCED_RETURN_IF_ERROR(reader.Each(Family::kEffects, [&](auto key, auto value) {
    step(key, value, &report->effects);
    return Status::Ok();
  }));
  return reader.Each(Family::kKeyspace, [&](auto key, auto value) {
    step(key, value, &report->values);
    return CheckStoredValue(value);
  });
}

}  // namespace

Result<FolderReport> VerifyFolder(const std::string& path, const Progress& progress) {
  FolderReport report{.is_backup = IsBackup(path)};
  std::error_code error;
  if (!fs::exists(path + "/db", error) && !fs::exists(path + "/high-water", error)) {
    return Status::InvalidArgument(path + ": is neither a backup nor a data folder");
  }
  const Result<std::shared_ptr<void>> nobody = DataFolder::KeepStill(path);
  if (!nobody.ok()) return nobody.status();
  const Result<HighWaterMark> mark = HighWater::Peek(path + "/high-water");
  if (!mark.ok()) return mark.status();
  if (report.is_backup) {
    const auto listed = CheckBackupList(path, path + "/db");
    if (!listed.ok()) return listed.status();
  }
  report.epoch = mark->epoch;
  report.synced_sequence = mark->synced_sequence;
  ONCED_RETURN_IF_ERROR(ReadThrough(path + "/db", &report, progress));
  if (report.sequence >= report.synced_sequence) return report;
  return Status::Corruption(path + ": synced data is missing: there is up to sequence number " +
                            std::to_string(report.sequence) + ", but " +
                            std::to_string(report.synced_sequence) + " was synced");
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "engine/table_reaper.h"

#include <rocksdb/convenience.h>
#include <rocksdb/metadata.h>

#include <utility>

#include "engine/record.h"
#include "engine/ttl_filter.h"

namespace onced {
namespace {

Status Converted(const rocksdb::Status& s) {
  // Another compaction has the table (Aborted), or has already replaced it (InvalidArgument, also
  // when it was an earlier one of this round). That is as good as doing it ourselves.
  if (s.ok() || s.IsAborted() || s.IsInvalidArgument() || s.IsIncomplete() ||
      s.IsShutdownInProgress()) {
    return Status::Ok();
  }
  return Status::IoError("reap: " + s.ToString());
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

TableReaper::TableReaper(rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families,
                         Clock* clock, ReaperLimits limits)
    : db_(db), families_(std::move(families)), clock_(clock), limits_(limits) {}

Status TableReaper::Run() {
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    const int64_t now_ms = clock_->NowMs();
    ONCED_RETURN_IF_ERROR(FlushOld(family, now_ms));
    int left = kTablesPerRound;
    for (const Table& table : Ripe(family, now_ms)) {
      if (left-- == 0) break;
      ONCED_RETURN_IF_ERROR(Rewrite(family, table));
    }
  }
  return Status::Ok();
}

Status TableReaper::FlushOld(rocksdb::ColumnFamilyHandle* family, int64_t now_ms) {
  uint64_t entries = 0;
  db_->GetIntProperty(family, rocksdb::DB::Properties::kNumEntriesActiveMemTable, &entries);
  int64_t& since_ms = filled_since_ms_[family->GetID()];
  if (entries == 0) {
    since_ms = 0;
    return Status::Ok();
  }
  if (since_ms == 0) since_ms = now_ms;
  if (now_ms - since_ms < limits_.memory_age_ms) return Status::Ok();
  since_ms = 0;
  rocksdb::FlushOptions options;
  options.wait = true;
  options.allow_write_stall = false;
  return Converted(db_->Flush(options, family));
}

std::vector<TableReaper::Table> TableReaper::Ripe(rocksdb::ColumnFamilyHandle* family,
                                                  int64_t now_ms) {
  std::vector<Table> ripe;
  rocksdb::TablePropertiesCollection properties;
  if (!db_->GetPropertiesOfAllTables(family, &properties).ok()) return ripe;
  std::map<std::string, std::shared_ptr<const rocksdb::TableProperties>> by_name;
  for (const auto& [path, table] : properties) by_name.emplace(BaseName(path), table);
  rocksdb::ColumnFamilyMetaData meta;
  db_->GetColumnFamilyMetaData(family, &meta);
  const int64_t filter_now_ms = now_ms - kTtlGraceMs;
  for (const rocksdb::LevelMetaData& level : meta.levels) {
    for (const rocksdb::SstFileMetaData& file : level.files) {
      const auto found = by_name.find(BaseName(file.name));
      if (found == by_name.end() || file.being_compacted) continue;
      const std::optional<TableDeaths> deaths = DeathsIn(*found->second);
      if (!deaths.has_value()) continue;
      const int64_t age_ms =
          now_ms - static_cast<int64_t>(found->second->file_creation_time) * 1000;
      const bool all_dead = IsDead(deaths->last_ms, filter_now_ms);
      const bool some_dead = IsDead(deaths->first_ms, filter_now_ms);
      if (all_dead || (some_dead && age_ms >= limits_.table_age_ms)) {
        ripe.push_back({.name = file.name,
                        .level = level.level,
                        .smallest = file.smallestkey,
                        .largest = file.largestkey});
      }
    }
  }
  return ripe;
}

Status TableReaper::Rewrite(rocksdb::ColumnFamilyHandle* family, const Table& table) {
  // In the last level a table is rewritten where it is, and what is dead in it is gone. Further up
  // a removal leaves a tombstone, which only sinking to the last level ends; and tables of level 0
  // overlap, so that only a range compaction picks all that belong together.
  if (table.level == db_->NumberLevels(family) - 1) {
    return Converted(
        db_->CompactFiles(rocksdb::CompactionOptions(), family, {table.name}, table.level));
  }
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  const rocksdb::Slice begin(table.smallest);
  const rocksdb::Slice end(table.largest);
  return Converted(db_->CompactRange(options, family, &begin, &end));
}

}  // namespace onced

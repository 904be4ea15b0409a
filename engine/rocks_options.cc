// SPDX-License-Identifier: MIT
#include "engine/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "engine/ttl_filter.h"

namespace onced {
namespace {

constexpr size_t kMiB = 1 << 20;

size_t MachineMemory() {
  const auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Tables may stay open for good where files are plenty; otherwise a quarter of them is for tables,
// and the rest for logs, and for what the program opens besides.
int OpenTablesMax() {
  constexpr rlim_t kPlenty = 1 << 16;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kPlenty) return -1;
  return static_cast<int>(limit.rlim_cur / 4);
}

void SetServer(rocksdb::DBOptions& o) {
  o.max_background_jobs = std::max(4, static_cast<int>(std::thread::hardware_concurrency() / 2));
  o.max_subcompactions = 2;
  o.max_total_wal_size = 128 * kMiB;  // bounds the replay of a restart
  o.bytes_per_sync = 1 * kMiB;        // no burst of write-back at the end of a file
  o.compaction_readahead_size = 2 * kMiB;
  o.max_open_files = OpenTablesMax();
  o.max_file_opening_threads = 16;
  o.max_manifest_file_size = 64 * kMiB;
  o.info_log_level = rocksdb::INFO_LEVEL;
  o.stats_dump_period_sec = 600;
  o.enable_pipelined_write = true;  // the log write of one group overlaps the memtables of the last
}

void SetEdge(rocksdb::DBOptions& o) {
  o.max_background_jobs = 2;
  o.max_subcompactions = 1;
  o.max_total_wal_size = 48 * kMiB;
  o.bytes_per_sync = kMiB / 4;
  o.compaction_readahead_size = kMiB / 2;
  o.max_open_files = std::min(256, OpenTablesMax() < 0 ? 256 : OpenTablesMax());
  o.max_file_opening_threads = 4;
  o.max_manifest_file_size = 8 * kMiB;
  o.info_log_level = rocksdb::WARN_LEVEL;
  o.stats_dump_period_sec = 0;
  o.enable_pipelined_write = false;
  o.write_thread_max_yield_usec = 20;  // spinning for the write queue starves a small machine
}

}  // namespace

rocksdb::DBOptions DatabaseOptions(Footprint footprint) {
  rocksdb::DBOptions o;
  o.create_if_missing = true;
  o.create_missing_column_families = true;
  // The exact prefix of what was written, and no more; HighWater catches what it leaves out.
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  o.paranoid_checks = true;  // false would go on writing after a torn record
  // Recovery then rewrites the log's data into a fresh, synced table: what is open is durable.
  o.avoid_flush_during_recovery = false;
  o.manual_wal_flush = false;                   // a crash of the process must lose nothing
  o.track_and_verify_wals_in_manifest = false;  // 7.8: SyncWAL() makes it report missing logs
  o.wal_compression = rocksdb::kNoCompression;  // 7.8: recovery bugs
  o.recycle_log_file_num = 0;
  o.atomic_flush = false;
  o.max_bgerror_resume_count = 0;  // 7.8: resume bugs; onced restarts instead
  o.allow_data_in_errors = false;  // keys stay out of the log file
  o.avoid_unnecessary_blocking_io = true;
  o.skip_stats_update_on_db_open = true;
  switch (footprint) {
    case Footprint::kServer:
      SetServer(o);
      break;
    case Footprint::kEdge:
      SetEdge(o);
      break;
  }
  return o;
}

SharedMemory NewSharedMemory(Footprint footprint) {
  const bool edge = footprint == Footprint::kEdge;
  SharedMemory memory;
  memory.block_cache = edge ? rocksdb::NewLRUCache(96 * kMiB, 2, false, 0.5)
                            : rocksdb::NewLRUCache(MachineMemory() / 100 * 35, -1, false, 0.5);
  // Charged to the cache, so one number bounds both. On the edge a full budget holds writers back.
  memory.write_buffers = std::make_shared<rocksdb::WriteBufferManager>(
      edge ? 32 * kMiB : 1024 * kMiB, memory.block_cache, /*allow_stall=*/edge);
  return memory;
}

rocksdb::ColumnFamilyOptions FamilyOptions(Footprint footprint, const SharedMemory& memory,
                                           FamilyNature nature, Clock* clock,
                                           std::atomic<uint64_t>* dropped) {
  const bool edge = footprint == Footprint::kEdge;
  // A small memtable stays in the processor's caches, where an insert takes half the time, and a
  // flush leaves one of all the versions of a key.
  const bool small = edge || nature.rewritten;
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = small ? 8 * kMiB : 128 * kMiB;
  o.max_write_buffer_number = edge ? 3 : 4;
  o.level_compaction_dynamic_level_bytes = true;  // about a tenth of dead weight, not a third
  o.max_bytes_for_level_base = small ? 64 * kMiB : 512 * kMiB;
  o.target_file_size_base = small ? 16 * kMiB : 64 * kMiB;
  o.level0_file_num_compaction_trigger = 4;
  o.level0_slowdown_writes_trigger = edge ? 12 : 20;
  o.level0_stop_writes_trigger = edge ? 20 : 36;
  o.compression = rocksdb::kLZ4Compression;
  o.bottommost_compression = rocksdb::kZSTD;
  o.ttl = 86'400;  // every table is rewritten within a day or so, through the filter
  o.periodic_compaction_seconds = 86'400;
  // Most reads are of absent keys: the first sight of a request. The memtable's own filter spares
  // them the skiplist, the table filters (all levels: hits are no reason to drop any) the blocks.
  o.memtable_whole_key_filtering = true;
  o.memtable_prefix_bloom_size_ratio = 0.05;
  o.optimize_filters_for_hits = false;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.block_cache;
  table.block_size = 8 * 1024;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.cache_index_and_filter_blocks = true;  // counted in the memory bound
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.optimize_filters_for_memory = true;
  if (edge) {
    table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10, 0));
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
    table.metadata_block_size = 4096;
  } else {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(12));
  }
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  if (nature.mortal) {
    o.compaction_filter_factory = NewTtlFilterFactory(clock, dropped);
    o.table_properties_collector_factories = {NewDeathsCollectorFactory()};
  }
  return o;
}

}  // namespace onced

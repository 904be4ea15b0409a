// SPDX-License-Identifier: MIT
#include "server/operations/metrics.h"

#include <array>
#include <string_view>

#include "engine/rocks_store.h"
#include "server/operations/exposition.h"

namespace onced {
namespace {

constexpr std::array<Door, kDoors> kAllDoors = {Door::kApi, Door::kGateway, Door::kRedis};

void AddRequests(const Observed& observed, Exposition* out) {
  out->Counter("onced_requests_total",
               "Requests answered, by what they came to; of a batch each operation.");
  for (const Door door : kAllDoors) {
    for (size_t i = 1; i < kCameTo; ++i) {
      out->Value(observed.tally.told[static_cast<size_t>(door)][i],
                 {{"door", NameOf(door)}, {"outcome", NameOf(static_cast<CameTo>(i))}});
    }
  }
  out->Counter("onced_http_responses_total", "Answers over HTTP by the class of their status.");
  for (const Door door : {Door::kApi, Door::kGateway}) {
    constexpr std::array<std::string_view, kStatusClasses> kNames = {"1xx", "2xx", "3xx", "4xx",
                                                                     "5xx"};
    for (size_t i = 1; i < kNames.size(); ++i) {
      out->Value(observed.tally.statuses[static_cast<size_t>(door)][i],
                 {{"door", NameOf(door)}, {"class", kNames[i]}});
    }
  }
  out->Histogram("onced_request_duration_seconds",
                 "From a request's last byte to its answer's first, waiting for disk and others' "
                 "runs included; at the redis door from the beginning of its turn.");
  for (const Door door : kAllDoors) {
    out->Of(observed.tally.took[static_cast<size_t>(door)], {{"door", NameOf(door)}});
  }
}

void AddDoors(const Observed& observed, Exposition* out) {
  out->Gauge("onced_connections", "Open connections of each door.");
  for (const Observed::Connections& one : observed.connections) {
    out->Value(one.open, {{"door", NameOf(one.door)}});
  }
  out->Gauge("onced_parked_requests", "Requests that wait for a run of somebody else to end.");
  for (const Observed::Connections& one : observed.connections) {
    out->Value(one.parked, {{"door", NameOf(one.door)}});
  }
  out->Gauge("onced_gateway_runs", "Requests that are being run by upstreams.")
      .Value(observed.runs_under_way);
  if (observed.upstreams.empty()) return;
  out->Gauge("onced_breaker_state", "Of a route's upstream: 0 closed, 1 open, 2 half open.");
  for (const Observed::Upstream& one : observed.upstreams) {
    out->Value(static_cast<uint64_t>(one.breaker), {{"route", one.route}});
  }
  out->Counter("onced_breaker_opened_total", "How often it has opened.");
  for (const Observed::Upstream& one : observed.upstreams) {
    out->Value(one.opened, {{"route", one.route}});
  }
}

void AddFiles(const StoreFigures& store, Exposition* out) {
  const StoreHealth& health = store.health;
  const auto gauge = [out](std::string_view name, uint64_t value, std::string_view help) {
    out->Gauge(name, help).Value(value);
  };
  const auto counter = [out](std::string_view name, uint64_t value, std::string_view help) {
    out->Counter(name, help).Value(value);
  };
  gauge("onced_keys_estimate", health.keys_estimate, "Records, as RocksDB estimates them.");
  gauge("onced_answers_held", health.answers_held, "Finished answers that wait for the disk.");
  counter("onced_expired_dropped_total", store.dropped,
          "Dead records and audit rows that compactions took away.");
  out->Histogram("onced_log_sync_duration_seconds", "How long the log's fdatasync took.")
      .Of(store.syncs);
  counter("onced_writes_stalled_total", store.stalled,
          "Writes that were refused for a moment, because RocksDB would have stalled.");
  counter("onced_storage_troubles_total", store.troubles,
          "Faults that RocksDB's own threads have met, a full or a failing disk, and reads that "
          "have met a damaged table.");
  out->Gauge("onced_storage_bytes",
             "What the data takes: all on disk, tables of it, memory, cache.")
      .Value(health.disk_bytes, {{"kind", "disk"}})
      .Value(health.table_bytes, {{"kind", "tables"}})
      .Value(store.memory_bytes, {{"kind", "memory"}})
      .Value(store.cache_bytes, {{"kind", "cache"}});
  gauge("onced_storage_disk_free_bytes", health.free_bytes, "What is free on its disk.");
  gauge("onced_storage_pending_compaction_bytes", store.pending_bytes,
        "What compactions are behind, estimated.");
  gauge("onced_storage_space_low", health.space_low ? 1 : 0,
        "1: new claims are refused, what is stored is served.");
  gauge("onced_storage_writes_stopped", health.writes_stopped ? 1 : 0,
        "1: RocksDB takes no writes until compactions have caught up.");
  gauge("onced_clock_in_doubt", health.clock_in_doubt ? 1 : 0,
        "1: the wall clock has jumped, or was never set; see the runbook.");
  gauge("onced_fence_epoch", health.fence_epoch, "Of the fences: one more with every start.");
}

void AddDatabase(const DatabaseFigures& database, Exposition* out) {
  out->Gauge("onced_database_answers",
             "With --store: 1: the last look at the database was answered.")
      .Value(database.answers() ? 1 : 0);
  out->Counter("onced_database_looks_failed_total",
               "With --store: looks at the database, one a second, that were not answered.")
      .Value(database.looks_failed);
  out->Histogram("onced_database_look_duration_seconds",
                 "With --store: how long it took to read a row, of the looks that were answered.")
      .Of(database.looks);
}

void AddStorage(const StorageFigures& storage, Exposition* out) {
  out->Gauge("onced_waiters", "Callers in line for a key that somebody holds.")
      .Value(storage.waiters);
  if (storage.files.has_value()) AddFiles(*storage.files, out);
  if (storage.database.has_value()) AddDatabase(*storage.database, out);
}

void AddProcess(const Observed& observed, Exposition* out) {
  const ProcessFigures& process = observed.process;
  const std::string rocksdb = StorageVersion();
  out->Gauge("onced_config_last_reload_successful",
             "1: what the last SIGHUP has read was valid, all of it; 0: what was not is as before.")
      .Value(observed.reload_successful ? 1 : 0);
  out->Gauge("onced_config_last_reload_success_timestamp_seconds",
             "When the configuration was last read whole, in seconds since 1970.")
      .Seconds(observed.reloaded_unix_s);
  out->Gauge("onced_build_info", "Always 1: which onced, on which RocksDB.")
      .Value(1, {{"version", observed.version}, {"rocksdb", rocksdb}});
  out->Counter("process_cpu_seconds_total", "Processor time used, in seconds.")
      .Seconds(process.cpu_s);
  out->Gauge("process_resident_memory_bytes", "Memory that is resident.")
      .Value(process.resident_bytes);
  out->Gauge("process_open_fds", "Files and sockets that are open.").Value(process.open_files);
  out->Gauge("process_max_fds", "How many may be.").Value(process.open_files_max);
  out->Gauge("process_start_time_seconds", "When it was started, in seconds since 1970.")
      .Seconds(process.started_unix_s);
}

}  // namespace

std::string MetricsText(const Observed& observed) {
  Exposition out;
  AddRequests(observed, &out);
  AddDoors(observed, &out);
  AddStorage(observed.storage, &out);
  AddProcess(observed, &out);
  return out.Take();
}

}  // namespace onced

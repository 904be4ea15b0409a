// SPDX-License-Identifier: MIT
// The call that tells how the server is doing, in the numbers that GET /metrics tells too.
#include <chrono>

#include "server/http/api.h"
#include "server/json/json_writer.h"

namespace onced {
namespace {

// The first thing that keeps it from serving as it should; /readyz?verbose has all of them.
const char* StateOf(const StorageFigures& storage, bool draining) {
  if (draining) return "draining";
  if (storage.database.has_value()) return storage.database->answers() ? "ready" : "unreachable";
  if (storage.files->health.space_low) return "full";
  return storage.files->health.writes_stopped ? "stalled" : "ready";
}

void WriteHealth(const StoreHealth& health, JsonWriter* w) {
  w->Field("keys_estimate", health.keys_estimate)
      .Field("answers_held", health.answers_held)
      .Field("latest_sequence", health.latest_sequence)
      .Field("durable_sequence", health.durable_sequence)
      .Field("fence_epoch", health.fence_epoch)
      .Field("disk_bytes", health.disk_bytes)
      .Field("table_bytes", health.table_bytes)
      .Field("disk_free_bytes", health.free_bytes)
      .Field("disk_needed_bytes", health.needed_bytes)
      .Field("space_low", health.space_low)
      .Field("writes_stopped", health.writes_stopped)
      .Field("clock_in_doubt", health.clock_in_doubt);
}

// How often each duration was seen, in the order of `bounds_us`; the last has no bound.
void WriteDurations(std::string_view name, const DurationCounts& durations, JsonWriter* w) {
  w->BeginObject(name).BeginArray("counts");
  for (const uint64_t count : durations.counts) w->Element(count);
  w->EndArray().Field("sum_us", durations.sum_us).EndObject();
}

void WriteDatabase(const DatabaseFigures& database, JsonWriter* w) {
  w->BeginObject("database")
      .Field("answers", database.answers())
      .Field("looks_failed", database.looks_failed);
  WriteDurations("looks", database.looks, w);
  w->EndObject();
}

void WriteStore(const StoreFigures& store, JsonWriter* w) {
  w->BeginObject("store")
      .Field("writes_stalled", store.stalled)
      .Field("troubles", store.troubles)
      .Field("expired_dropped", store.dropped)
      .Field("memory_bytes", store.memory_bytes)
      .Field("cache_bytes", store.cache_bytes)
      .Field("pending_compaction_bytes", store.pending_bytes);
  WriteDurations("log_syncs", store.syncs, w);
  w->EndObject();
}

// Of the doors that are open: what they answered since the start, and what they hold now.
void WriteDoors(const Observed& observed, JsonWriter* w) {
  w->BeginObject("doors");
  for (const Observed::Connections& open : observed.connections) {
    const auto door = static_cast<size_t>(open.door);
    w->BeginObject(NameOf(open.door))
        .Field("connections", open.open)
        .Field("parked", open.parked)
        .BeginObject("outcomes");
    for (size_t i = 1; i < kCameTo; ++i) {
      w->Field(NameOf(static_cast<CameTo>(i)), observed.tally.told[door][i]);
    }
    w->EndObject();
    WriteDurations("durations", observed.tally.took[door], w);
    w->EndObject();
  }
  w->EndObject();
}

}  // namespace

Answer Api::ServerStatus(Call& call) {
  Query query(call.target);
  if (const Status s = query.Finish(); !s.ok()) return FaultAnswer(s);
  const Observed observed = options_.observe();
  const StorageFigures& storage = observed.storage;
  using std::chrono::milliseconds;
  const auto uptime =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - started_);
  JsonWriter w(4096);
  w.Field("version", options_.version)
      .Field("state", StateOf(storage, options_.draining()))
      .Field("now", TimeText(options_.now_ms()))
      .Field("uptime_s", uptime.count() / 1000)
      .Field("uptime_ms", uptime.count())
      .Field("durability", options_.durability)
      .Field("waiters", storage.waiters);
  if (storage.files.has_value()) WriteHealth(storage.files->health, &w);
  w.BeginObject("durations").BeginArray("bounds_us");
  for (const int64_t bound : kDurationBoundsUs) w.Element(bound);
  w.EndArray().EndObject();
  WriteDoors(observed, &w);
  if (storage.files.has_value()) WriteStore(*storage.files, &w);
  if (storage.database.has_value()) WriteDatabase(*storage.database, &w);
  if (options_.gateway_status) w.RawField("gateway", options_.gateway_status());
  return {.body = w.Take()};
}

}  // namespace onced

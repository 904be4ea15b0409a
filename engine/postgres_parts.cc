// SPDX-License-Identifier: MIT
#include "engine/postgres_parts.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>
#include <utility>

#include "engine/check.h"
#include "engine/coding.h"
#include "engine/postgres_schema.h"
#include "engine/postgres_statements.h"

namespace onced {
namespace {

using Kind = PostgresError::Kind;
constexpr size_t kStripes = 4'096;
constexpr int kReadTries = 3;
// Of a lease: a write that gives it lands before so much of it is over, and it is told while so
// much is left.
constexpr int64_t kLandsWithinPart = 4;
constexpr int64_t kToldWithPart = 2;

bool GivesLease(const std::optional<Record>& record, int64_t now_ms) {
  return record.has_value() && record->state == State::kInFlight && record->LeaseIsLive(now_ms);
}

// 63 bits of chance, and always odd.
uint64_t Chance() {
  uint64_t value = 0;
  ONCED_CHECK(getentropy(&value, sizeof value) == 0);
  return (value >> 1) | 1;
}

std::string Name() {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(Chance()));
  return text;
}

PostgresValue FenceValue(uint64_t fence) {
  if (fence == kFenceToCome) return std::monostate();
  return static_cast<int64_t>(fence);
}

}  // namespace

Status StatusOf(const char* verb, const PostgresError& error) {
  std::string message = std::string(verb) + ": " + error.message;
  if (!error.state.empty()) message += " (" + error.state + ")";
  if (error.kind == Kind::kRefused && error.state == "53100") return Status::Full(message);
  if (error.state == "XX001" || error.state == "XX002") return Status::Corruption(message);
  return Status::Unavailable(message);
}

Status TooSlow() {
  return Status::Unavailable("write: others are faster, or it takes too long to land");
}
Status Hidden() { return Status::IoError("write: another has written since"); }
Status LeaseOver() {
  return Status::IoError("write: half of its lease is over when the database has answered");
}

PostgresCame CameOf(const PostgresError& error, bool may_have_landed) {
  switch (error.kind) {
    case Kind::kRetry:
      return PostgresCame::kMissed;
    case Kind::kUnknown:
      return may_have_landed ? PostgresCame::kDoubtful : PostgresCame::kMissed;
    case Kind::kNotSent:
    case Kind::kRefused:
      break;
  }
  return PostgresCame::kFailed;
}

bool LeaseHolds(const Applied& applied, int64_t latest_ms) {
  const std::optional<Record>& record = applied.decision.record;
  if (applied.decision.write != Write::kPut || !GivesLease(record, applied.now_ms)) return true;
  const int64_t lease_ms = record->lease_until_ms - applied.now_ms;
  return record->lease_until_ms - latest_ms >= lease_ms / kToldWithPart;
}

void SetFence(uint64_t fence, Decision* decision) {
  if (decision->record.has_value() && decision->record->fence == kFenceToCome) {
    decision->record->fence = fence;
  }
  for (Run& run : decision->ended) {
    if (run.fence == kFenceToCome) run.fence = fence;
  }
}

void PostgresTries::Pause() {
  const int most_ms = std::min(2 << std::min(pauses_++, 6), 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(1 + Chance() % most_ms));
}

PostgresWrite::PostgresWrite(const PostgresStoreOptions& options, std::string notifier,
                             int64_t now_ms, std::chrono::milliseconds lag)
    : options_(options),
      notifier_(std::move(notifier)),
      now_ms_(now_ms),
      lag_(lag),
      version_(Chance()) {}

int64_t PostgresWrite::LagOf(const PostgresPut& put) const {
  if (!GivesLease(put.record, now_ms_)) return lag_.count();
  return std::min(lag_.count(), (put.record->lease_until_ms - now_ms_) / kLandsWithinPart);
}

void PostgresWrite::Add(const PostgresPut& put) {
  const auto version = static_cast<int64_t>(version_);
  const std::string_view key = Keep(put.key.encoded());
  PostgresValue fence, record;
  int64_t dead_at_ms = now_ms_;
  if (put.record.has_value()) {
    record = Keep(put.record->Encode());
    dead_at_ms = put.record->DeadAtMs();
  }
  if (put.fresh) fence = FenceValue(put.record.has_value() ? put.record->fence : put.seen.fence);
  PostgresValue clock;
  if (options_.clock != nullptr) clock = options_.clock->NowMs();
  PostgresCall call{&statements::kPutWhereAbsent,
                    {key, version, fence, dead_at_ms, record, now_ms_, LagOf(put), clock}};
  if (put.seen.Lives(now_ms_)) {
    call.statement = &statements::kPutWhereUnchanged;
    call.values.insert(call.values.end(),
                       {static_cast<int64_t>(put.seen.version), int64_t{!put.fresh},
                        int64_t{put.wake == Wake::kNobody}});
  }
  puts_.push_back(std::move(call));

  if (options_.audit) {
    for (const Run& run : put.ended) {
      const int64_t run_dead_at_ms = now_ms_ + options_.audit_retention_ms;
      followers_.push_back({&statements::kPutRun,
                            {key, version, FenceValue(run.fence), run_dead_at_ms,
                             Keep(run.Encode(run_dead_at_ms))}});
    }
  }
  if (put.seen.waited && put.wake != Wake::kNobody && !notifier_.empty()) {
    followers_.push_back(
        {&statements::kNotify,
         {key, version, Keep(PostgresLines::Notice(notifier_, put.key, put.wake))}});
  }
}

void PostgresWrite::AddEffect(const Key& key, std::string_view effect,
                              const std::optional<std::string>& value) {
  PostgresValue bytes;
  if (value.has_value()) bytes = Keep(*value);
  followers_.push_back(
      {&statements::kPutEffect,
       {Keep(key.encoded()), static_cast<int64_t>(version_), Keep(std::string(effect)), bytes}});
}

PostgresStore::Parts::Parts(PostgresStoreOptions o)
    : options(std::move(o)),
      name(Name()),
      pool(options.url,
           {.connect = options.connect_timeout,
            .statement = options.statement_timeout,
            .call = options.statement_timeout + std::chrono::milliseconds(3'000)},
           options.connections),
      stripes(kStripes, options.waiters) {}

Status PostgresStore::Parts::Start() {
  {
    Result<PostgresPool::Lease> first = pool.Take();
    if (!first.ok()) return first.status();
    ONCED_RETURN_IF_ERROR(CheckPostgresSchema(**first));
    if (!options.allow_unsynced) ONCED_RETURN_IF_ERROR(CheckPostgresSettings(**first));
  }
  const DatabaseTime::Here asked_at = std::chrono::steady_clock::now();
  const PostgresCall read_clock{&statements::kReadClock, {Clock()}};
  const Result<std::vector<PostgresRows>> stamp = Ask({&read_clock, 1});
  if (!stamp.ok()) return stamp.status();
  Learn((*stamp)[0].Integer(0, 0), asked_at);
  leaps.Look((*stamp)[0].Integer(0, 0), asked_at, std::chrono::steady_clock::now());
  lines = std::make_unique<PostgresLines>(&pool, &stripes, name, options.listens);
  sweeper = std::make_unique<Rounds>(
      options.sweep_pause, [this, table = size_t{0}, from = std::string()]() mutable {
        const Result<bool> done = SweepStep(table, /*trusting=*/false, &from);
        if (done.ok() && *done) table = (table + 1) % 3;
      });
  return Status::Ok();
}

int64_t PostgresStore::Parts::NowMs() {
  return options.clock != nullptr ? options.clock->NowMs() : time.NowMs();
}

PostgresValue PostgresStore::Parts::Clock() const {
  if (options.clock == nullptr) return std::monostate();
  return options.clock->NowMs();
}

Moment PostgresStore::Parts::MomentFor(Needs needs) {
  return {.now_ms = NowMs(),
          .fresh_fence = needs.fresh_fence ? kFenceToCome : 0,
          .unknown_retention_ms = options.unknown_retention_ms};
}

int64_t PostgresStore::Parts::LatestMs(int64_t stamp_ms, DatabaseTime::Here asked_at) const {
  if (options.clock != nullptr) return stamp_ms;  // it stands still on the way
  return DatabaseTime::LatestMs(stamp_ms, asked_at, std::chrono::steady_clock::now());
}

void PostgresStore::Parts::Learn(int64_t stamp_ms, DatabaseTime::Here asked_at) {
  time.Learn(stamp_ms, asked_at, std::chrono::steady_clock::now());
}

Result<std::vector<PostgresRows>> PostgresStore::Parts::Ask(std::span<const PostgresCall> calls) {
  for (int tries = 1;; ++tries) {
    PostgresAnswer answer = pool.Run(calls);
    if (answer.ok()) return std::move(answer.rows);
    // What was given up for its time would take as long again.
    const bool again = answer.error->kind == Kind::kRetry ||
                       (answer.error->kind == Kind::kUnknown && answer.error->state != "57014");
    if (!again || tries == kReadTries) return StatusOf("read", *answer.error);
  }
}

Result<PostgresRow> PostgresStore::Parts::RowOf(const PostgresRows& rows, size_t i) {
  PostgresRow row;
  if (rows.IsNull(i, statements::kVersion)) return row;
  row.version = static_cast<uint64_t>(rows.Integer(i, statements::kVersion));
  row.fence = static_cast<uint64_t>(rows.Integer(i, statements::kFence));
  row.waited = rows.Integer(i, statements::kWaited) != 0;
  if (rows.IsNull(i, statements::kRecord)) {
    row.left_out = !rows.IsNull(i, statements::kBytes);
    return row;
  }
  Result<Record> record = Record::Decode(rows.Bytes(i, statements::kRecord));
  if (!record.ok()) return record.status();
  record->fence = row.fence;
  row.record = std::move(*record);
  return row;
}

Result<PostgresRow> PostgresStore::Parts::Load(const Key& key) {
  const PostgresCall call{&statements::kReadRecord, {std::string_view(key.encoded()), Clock()}};
  const DatabaseTime::Here asked_at = std::chrono::steady_clock::now();
  const int64_t as_of_ms = NowMs();
  const Result<std::vector<PostgresRows>> rows = Ask({&call, 1});
  if (!rows.ok()) return rows.status();
  const int64_t stamp_ms = (*rows)[0].Integer(0, statements::kNow);
  Learn(stamp_ms, asked_at);
  Result<PostgresRow> row = RowOf((*rows)[0], 0);
  if (!row.ok()) return row;
  row->as_of_ms = std::min(as_of_ms, NowMs());  // the clock may have been found to be set back
  row->latest_ms = LatestMs(stamp_ms, asked_at);
  seen_keys.Note(key, row->record.has_value());
  return row;
}

}  // namespace onced

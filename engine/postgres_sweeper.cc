// SPDX-License-Identifier: MIT
// The sweeper of PostgresStore: it walks the tables by their keys, some rows at a time, and deletes
// what is long dead. Nothing waits for it: the dead are absent to every reader at once. Several
// processes may sweep the same tables.
//
// What it deletes does not come back when a clock is put right that was ahead. So it judges by a
// time that it has looked at first, and not while that is in doubt (DatabaseLeaps).
#include <array>
#include <string>
#include <utility>

#include "engine/postgres_parts.h"
#include "engine/postgres_statements.h"

namespace onced {
namespace {

constexpr int64_t kRowsPerStep = 1'000;
// A dead record's row keeps the key's fence so long: fences made from the clock are newer after it.
constexpr int64_t kRecordGraceMs = 3'600'000;
// A leap that is not noticed kills nothing that lives; a second one does not, either.
static_assert(kRecordGraceMs >= 2 * DatabaseLeaps::kNoticedMs);
constexpr int64_t kRunGraceMs = 60'000;

}  // namespace

Result<bool> PostgresStore::Parts::SweepStep(size_t table, bool trusting, std::string* from) {
  const PostgresStatement* const steps[] = {&statements::kStepRecords, &statements::kStepRuns,
                                            &statements::kStepEffects};
  const std::array<PostgresCall, 2> step = {
      PostgresCall{&statements::kReadClock, {Clock()}},
      PostgresCall{steps[table], {std::string_view(*from), kRowsPerStep}}};
  const DatabaseTime::Here asked_at = std::chrono::steady_clock::now();
  const Result<std::vector<PostgresRows>> rows = Ask(step);
  if (!rows.ok()) return rows.status();
  const int64_t now_ms = (*rows)[0].Integer(0, 0);
  const DatabaseTime::Here here = std::chrono::steady_clock::now();
  leaps.Look(now_ms, asked_at, here);
  if (!trusting && leaps.InDoubt(here)) return false;
  const size_t count = (*rows)[1].size();
  if (count == 0) {
    from->clear();
    return true;
  }
  std::string to((*rows)[1].Bytes(count - 1, 0));
  PostgresCall sweep{&statements::kSweepRecords,
                     {std::string_view(*from), std::string_view(to), kRecordGraceMs, now_ms}};
  if (table == 1) {
    sweep.statement = &statements::kSweepRuns;
    sweep.values[2] = kRunGraceMs;
  } else if (table == 2) {
    sweep.statement = &statements::kSweepEffects;
    sweep.values.resize(2);
  }
  const PostgresAnswer swept = pool.Run({&sweep, 1});
  if (!swept.ok()) return StatusOf("sweep", *swept.error);
  const bool last = count < static_cast<size_t>(kRowsPerStep);
  *from = last ? std::string() : std::move(to);
  return last;
}

Status PostgresStore::Sweep() {
  for (size_t table = 0; table < 3; ++table) {
    std::string from;
    for (bool done = false; !done;) {
      const Result<bool> step = parts_->SweepStep(table, /*trusting=*/true, &from);
      if (!step.ok()) return step.status();
      done = *step;
    }
  }
  return Status::Ok();
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// The sweeper of PostgresStore: it walks the tables by their keys, some rows at a time, and deletes
// what is long dead. Nothing waits for it: the dead are absent to every reader at once. Several
// processes may sweep the same tables.
#include <string>
#include <utility>

#include "engine/postgres_parts.h"
#include "engine/postgres_statements.h"

namespace onced {
namespace {

constexpr int64_t kRowsPerStep = 1'000;
// A dead record's row keeps the key's fence so long: fences made from the clock are newer after it.
constexpr int64_t kRecordGraceMs = 3'600'000;
constexpr int64_t kRunGraceMs = 60'000;

}  // namespace

Result<bool> PostgresStore::Parts::SweepStep(size_t table, std::string* from) {
  const PostgresStatement* const steps[] = {&statements::kStepRecords, &statements::kStepRuns,
                                            &statements::kStepEffects};
  const PostgresCall step{steps[table], {std::string_view(*from), kRowsPerStep}};
  const Result<std::vector<PostgresRows>> rows = Ask({&step, 1});
  if (!rows.ok()) return rows.status();
  const size_t count = (*rows)[0].size();
  if (count == 0) {
    from->clear();
    return true;
  }
  std::string to((*rows)[0].Bytes(count - 1, 0));
  PostgresCall sweep{&statements::kSweepRecords,
                     {std::string_view(*from), std::string_view(to), kRecordGraceMs, Clock()}};
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
      const Result<bool> step = parts_->SweepStep(table, &from);
      if (!step.ok()) return step.status();
      done = *step;
    }
  }
  return Status::Ok();
}

}  // namespace onced

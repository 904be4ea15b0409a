// SPDX-License-Identifier: MIT
// The statements that PostgresStore runs, each once. They know keys, versions, times of death and
// the database's clock, and nothing of claims: Decide() has decided before, on what was read.
//
// Written so that CockroachDB and YugabyteDB take them as well; only PostgreSQL was run. They hold
// under READ COMMITTED and under anything stricter.
//
// Every clock is COALESCE($n, the database's): $n is NULL but in tests that move the time. Times
// are ms since 1970; "$now" is what the decision took for the time, a lower bound, and a write
// lands only while the database's clock is not earlier, and at most "$lag" later.
//
// Threads: constants.
#pragma once

#include "engine/postgres_connection.h"

namespace onced::statements {

// What a row is read as, one column after the other.
enum RowColumn : int { kNow = 0, kMicros, kKey, kVersion, kFence, kWaited, kRecord, kBytes };
// What a write gives that has landed: the fence, and the time at which it did.
enum PutColumn : int { kPutFence = 0, kPutNow };

extern const PostgresStatement kBegin, kCommit, kListen;

// $1 clock. Gives now and micros, as RowColumn says.
extern const PostgresStatement kReadClock;
// $1 key, $2 clock. One row in any case, as RowColumn says; no record, no key.
extern const PostgresStatement kReadRecord;
// $1 keys, $2 clock, $3 the most bytes of a record that are wanted. As many rows as there are
// records, but one at least.
extern const PostgresStatement kReadRecords;
// $1 key, $2 clock. As kReadRecord, and nobody else changes the row until the transaction ends.
extern const PostgresStatement kLockRecord;

// Where nothing is, or only what is dead: $1 key, $2 version, $3 fence or NULL, $4 dead at,
// $5 record or NULL, $6 now, $7 lag, $8 clock. Gives fence and now, as PutColumn says, or no row.
// One that waited for another's insert, and found it undone, lands however long it waited.
extern const PostgresStatement kPutWhereAbsent;
// Where nothing has changed: $1 key, $2 version, $3 fence or NULL, $4 dead at, $5 record or NULL,
// $6 now, $7 lag, $8 clock, $9 the version it was read with, $10 1: keep the fence, $11 1: somebody
// still waits. Gives fence and now, or no row.
extern const PostgresStatement kPutWhereUnchanged;
// $1 key, $2 the version it was read with, which becomes even. Gives 1, or no row.
extern const PostgresStatement kMarkWaited;

// The three below do something only if the record of $1 has version $2.
// $3 fence or NULL for the record's, $4 dead at, $5 run.
extern const PostgresStatement kPutRun;
// $3 effect key, $4 value or NULL.
extern const PostgresStatement kPutEffect;
// $3 what to tell.
extern const PostgresStatement kNotify;

// $1 effect keys. So that each has a row, which can be locked.
extern const PostgresStatement kMakeEffects;
// $1 effect keys. Gives key, value; nobody else has them until the transaction ends.
extern const PostgresStatement kLockEffects;
// $1 effect key. Gives the value.
extern const PostgresStatement kReadEffect;

// Pages. $1 from, not included; $2 to, not included; $3 how many; $4 how much of a record or value
// is wanted; $5 clock. Gives now, key, fence, dead at, the first bytes, and how many there are.
extern const PostgresStatement kListRecords;
extern const PostgresStatement kListEffects;
// $1 key, $2 dead after, $3 how many. Gives fence, run.
extern const PostgresStatement kListRuns;

// The sweeper's. $1 from, not included; $2 how many. Gives keys.
extern const PostgresStatement kStepRecords, kStepRuns, kStepEffects;
// $1 from, not included; $2 to; $3 dead since at least so many ms; $4 now.
extern const PostgresStatement kSweepRecords, kSweepRuns;
// $1 from, not included; $2 to.
extern const PostgresStatement kSweepEffects;
// $1 keys. Gives key, fence, the first 72 bytes of the record, for those that are there.
extern const PostgresStatement kPollWaited;

}  // namespace onced::statements

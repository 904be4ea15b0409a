// SPDX-License-Identifier: MIT
// The tail of RocksDB's MANIFEST, the file that names all others. RocksDB reads a torn end of a log
// as the end of it, but refuses a MANIFEST that has one, though nothing can depend on edits whose
// sync never returned. So it is noted how far the MANIFEST was synced, and what is behind that may
// be cut off when it cannot be read.
//
// It is noted at once, also while RocksDB opens and nobody knows whether that will succeed: from
// the moment that CURRENT names the new MANIFEST its end can be torn like any other's, and a start
// that is cut off then must leave a store that opens. Should the opening fail before, or a MANIFEST
// that replaces another never get its name into CURRENT, the old one counts: what is known of it is
// kept beside (ManifestExtent::before).
//
// Private to the engine: includes RocksDB.
// Threads: WatchManifest's callback comes on RocksDB's threads; CutManifest before the database is
// opened.
// Invariants: a sync of the MANIFEST returns to RocksDB only when the callback has kept its extent.
#pragma once

#include <rocksdb/env.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/high_water.h"
#include "engine/status.h"

namespace onced {

// Of number and bytes.
using ManifestKeeper = std::function<Status(const ManifestExtent&)>;

// The same files, but whenever a MANIFEST has been synced `keep` is told how far; an error of it
// becomes the sync's.
std::unique_ptr<rocksdb::Env> WatchManifest(rocksdb::Env* env, ManifestKeeper keep);

// The number of the MANIFEST that `database` goes by; 0: that cannot be told.
uint64_t CurrentManifest(const std::string& database);

// Corruption, naming the file, when `database` goes by an older MANIFEST than it was opened with
// last, or by one that has lost what was synced. Its logs might still reach the high-water mark.
Status CheckManifest(const std::string& database, const ManifestExtent& synced);

// Whether CutManifest would cut.
Result<bool> HasUnsyncedEnd(const std::string& database, const ManifestExtent& synced);

// Cuts off what is behind `synced` in the MANIFEST that `database` goes by, durably, and keeps all
// of it, as it was, in the folder `aside`, durably before. Called when the database was refused as
// damaged, whatever it is that is damaged: what was never synced is not missed. False: there is
// nothing to cut, or it is not known where.
Result<bool> CutManifest(const std::string& database, const ManifestExtent& synced,
                         const std::string& aside);

}  // namespace onced

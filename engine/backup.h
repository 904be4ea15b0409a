// SPDX-License-Identifier: MIT
// Backup: a copy of a store as it was at one moment, in a folder of its own: db/ and a high-water
// file as a data folder has them, and a file `backup` that says what it is. It is no data folder: a
// start refuses it, because who went on from it would run again what was claimed since. Restoring
// makes a data folder of it, with that said.
//
// RocksStore::Backup makes one of a store that runs. These are for what lies still.
//
// Threads: each call from any one, on folders that nobody else changes.
// Invariants: 1. The mark of a backup was taken before its data: what it holds is never less than
// its mark says. 2. Nothing that is there already is overwritten. 3. What a restore or a
// backup leaves that was cut short no start takes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/status.h"

namespace onced {

// Called now and then with how far it has come; may be absent.
using Progress = std::function<void(uint64_t done_bytes, uint64_t all_bytes)>;

struct FolderReport {
  bool is_backup = false;
  uint64_t records = 0;  // dead ones that are still on the disk too
  uint64_t runs = 0;     // rows of the audit trail
  uint64_t effects = 0;
  uint64_t values = 0;  // of the Redis door
  uint64_t bytes = 0;
  uint32_t epoch = 0;
  uint64_t sequence = 0;         // the newest that is there
  uint64_t synced_sequence = 0;  // the newest that must be there
};

// Reads every byte of a backup, or of a data folder that nobody uses, against its checksums, and
// decodes everything. Corruption names what is wrong; Unavailable: the folder is in use. Writes
// nothing.
Result<FolderReport> VerifyFolder(const std::string& path, const Progress& progress = nullptr);

// Makes `into`, which must not exist or be empty, the data folder that `backup` is a copy of. Every
// claim since then is forgotten; fences go on above all that were given, by the clock of the
// machine. InvalidArgument: one of them is not what it must be.
Status RestoreBackup(const std::string& backup, const std::string& into,
                     const Progress& progress = nullptr);

// Of a folder that holds one, whole or not.
bool IsBackup(const std::string& path);
// Of one that a restore has begun to fill, and not ended.
bool IsHalfRestored(const std::string& path);

}  // namespace onced

// SPDX-License-Identifier: MIT
// DataFolder: the folder onced keeps everything in: who may use it (one process), what lies where,
// and the quarantine of logs that recovery might delete.
//
//   onced.lock    held (flock) as long as the folder is open
//   high-water    see HighWater
//   db/           RocksDB's files
//   quarantine/   hard links to the logs of a start that has not yet reached the high-water mark
//                 (copies, where db/ is a disk of its own), and to its tables when the MANIFEST
//                 was cut
//   quarantine-N/ the same, of a start that went on without what was missing
//
// Threads: one thread opens and closes; the paths are immutable.
// Invariants: while an instance lives, no other process has one for the same folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/status.h"

namespace onced {

class DataFolder {
 public:
  // Creates the folder when it is missing. Unavailable when another process has it.
  static Result<std::unique_ptr<DataFolder>> Open(const std::string& path);
  // While what is returned lives nobody takes the folder, if it is one that can be taken.
  // Unavailable when another process has it.
  static Result<std::shared_ptr<void>> KeepStill(const std::string& path);
  // What would keep a store from being opened here, as far as it can be told without changing
  // anything, and while nobody has it. `accept_data_loss`: also where something is missing.
  static Status LookAt(const std::string& path, bool accept_data_loss);
  ~DataFolder();
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  std::string database() const { return path_ + "/db"; }
  std::string high_water() const { return path_ + "/high-water"; }
  std::string quarantine() const { return path_ + "/quarantine"; }

  // Whether any file of a database is there, whole or not. What is not RocksDB's (a file system has
  // a lost+found) does not count.
  Result<bool> HasDatabase() const;
  // Corruption when files are there, but not the one that names the others: RocksDB would take the
  // folder for empty and clear it.
  Status CheckDatabase() const;
  // A table, or a log that is not known to be empty, of the database; "" when there is none. A
  // first start that was cut short leaves none: nothing is written before its epoch is taken.
  Result<std::string> FileWithData() const;
  // What a first start has left that was cut short: nobody has been told anything that is in it.
  // The folder itself stays: it may be a link, or a disk of its own.
  // REQUIRES: FileWithData() is "".
  Status DropDatabase();

  // Links every log of the database into the quarantine, where an earlier link of the same log is
  // kept: Open of the store deletes a log that it could read only in part, and the rest of it may
  // still be wanted.
  Status QuarantineLogs();
  // The same with its tables, but never by copies. False: no links can be made there.
  Result<bool> QuarantineTables();
  Status DropQuarantine();
  // Puts it aside for good, as quarantine-<number>: for logs whose loss was accepted.
  Status KeepQuarantine();

  // Makes the folder's own entries durable: a file that is synced, in a folder that is not, can be
  // gone after a power cut.
  Status SyncEntries() const;

  // Free bytes, and whether they have fallen below the reserve of 256 MiB or 5 % of the file
  // system, whichever is less. The reserve is what ends running work when the disk fills up.
  struct Space {
    uint64_t free_bytes = 0;
    uint64_t needed_bytes = 0;  // with fewer free it is low
    bool low = false;
  };
  // `owed_bytes`: what must still be written, come what may; it is not counted as free.
  Space CheckSpace(uint64_t owed_bytes) const;
  // What all of it takes up on the disk, a file with two names once.
  uint64_t UsedBytes() const;

 private:
  Result<bool> Quarantine(const std::string& extension, bool may_copy);

  DataFolder(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Storage: the store that the doors stand on, and what the server asks of it besides: what time it
// is there, how it is doing and, where it is files of this machine, what only files have. Who opens
// one (serve.cc) is the only one to know of which kind it is.
//
// Threads: every call from any, but the destructor.
// Invariants: none of the calls waits for a disk or for another machine, but the store's own and
// StoredFiles::Backup.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/keyspace.h"
#include "engine/store.h"
#include "server/operations/storage_figures.h"
#include "server/web/readiness.h"

namespace onced {

// What only a store in files has.
class StoredFiles {
 public:
  virtual ~StoredFiles() = default;
  // See RocksStore.
  virtual Status Backup(const std::string& folder) = 0;
  virtual void EndBackups() = 0;
  virtual std::unique_ptr<Keyspace> NewKeyspace() = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;

  virtual Store* store() = 0;
  virtual int64_t NowMs() const = 0;
  // In one word, what an answer has been through: sync, interval, os.
  virtual const char* durability() const = 0;
  // Where calls wait for another machine: how many are worth making at once.
  virtual size_t calls_at_once() const { return 1; }
  virtual StorageFigures Figures() const = 0;
  virtual std::vector<ReadyCheck> Checks(bool draining) const = 0;
  // nullptr: there are none.
  virtual StoredFiles* files() { return nullptr; }
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// LedgerOnPostgres: what the tests of the ledger ask of a store, on a PostgresStore: options as
// RocksStore has them, of which those count that are not about files, and a folder that is a schema
// of the program's PostgreSQL. The same folder opened again is the same schema.
//
// Threads: as PostgresStore.
#pragma once

#include <memory>

#include "engine/postgres_store.h"
#include "engine/rocks_store.h"
#include "tests/interrupted_store.h"

namespace onced {

class LedgerOnPostgres : public InterruptedStore {
 public:
  static Result<std::unique_ptr<LedgerOnPostgres>> Open(const RocksStoreOptions& options);

  bool ReadIsCheap() const override { return store_->ReadIsCheap(); }
  bool IsRemote() const override { return store_->IsRemote(); }
  // How many wait; no more.
  StoreHealth Health() const { return {.waiters = store_->waiters()}; }
  Status Reap() { return store_->Sweep(); }

 private:
  explicit LedgerOnPostgres(std::unique_ptr<PostgresStore> store)
      : InterruptedStore(store.get()), store_(std::move(store)) {}

  const std::unique_ptr<PostgresStore> store_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "tests/ledger_on_postgres.h"

#include <map>
#include <string>

#include "tests/postgres_cluster.h"

namespace onced {

Result<std::unique_ptr<LedgerOnPostgres>> LedgerOnPostgres::Open(const RocksStoreOptions& given) {
  PostgresCluster::Shared();                             // so that it outlives what follows
  static std::map<std::string, PostgresFolder> folders;  // of the main thread
  Result<std::unique_ptr<PostgresStore>> store =
      PostgresStore::Open({.url = folders[given.path].url(),
                           .audit = given.audit,
                           .audit_retention_ms = given.audit_retention_ms,
                           .unknown_retention_ms = given.unknown_retention_ms,
                           .waiters = given.waiters,
                           .clock = given.clock,
                           .sweep_pause = given.reap_every});
  if (!store.ok()) return store.status();
  return std::unique_ptr<LedgerOnPostgres>(new LedgerOnPostgres(std::move(*store)));
}

}  // namespace onced

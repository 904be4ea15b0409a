// SPDX-License-Identifier: MIT
// PostgresCluster: a PostgreSQL of the test's own, in a temporary folder, on a free port of
// 127.0.0.1; Debian's package, of whichever version is installed. It syncs every commit, as a store
// wants it to, but to a log that is in memory where there is room: no test here takes the power
// away.
//
// PostgresFolder: what a store's folder is elsewhere: a schema of its own, with onced's tables.
//
// Threads: made, killed and started on the main thread (see Child); the rest from any.
// Invariants: neither the server nor its folders outlive the object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/postgres_connection.h"
#include "engine/postgres_store.h"
#include "tests/child.h"
#include "tests/fixtures.h"

namespace onced {

class PostgresCluster {
 public:
  // The one of this program, started at first use.
  static PostgresCluster& Shared();

  PostgresCluster();
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  uint16_t port() const { return port_; }
  // Of a schema, on this port or another that leads here.
  std::string Url(const std::string& schema, uint16_t port = 0) const;
  // What a statement gives: its rows, each with its first column as text.
  std::vector<std::string> Sql(const std::string& statement) const;
  // kill -9 the postmaster, and every backend of it goes down.
  void Kill();
  void Start();

 private:
  TempFolder folder_;
  const std::string log_folder_;  // empty: its log is in `folder_`
  const std::string programs_;
  const uint16_t port_;
  std::unique_ptr<Child> server_;
};

// A schema named by chance, gone with the object.
class PostgresFolder {
 public:
  explicit PostgresFolder(PostgresCluster& cluster = PostgresCluster::Shared());
  ~PostgresFolder();
  PostgresFolder(const PostgresFolder&) = delete;
  PostgresFolder& operator=(const PostgresFolder&) = delete;

  const std::string& schema() const { return schema_; }
  std::string url(uint16_t port = 0) const { return cluster_.Url(schema_, port); }
  std::vector<std::string> Sql(const std::string& statement) const;
  std::unique_ptr<PostgresStore> Open(const std::function<void(PostgresStoreOptions&)>& adjust =
                                          [](PostgresStoreOptions&) {}) const;

 private:
  PostgresCluster& cluster_;
  const std::string schema_;
};

}  // namespace onced

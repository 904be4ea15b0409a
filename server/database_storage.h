// SPDX-License-Identifier: MIT
// DatabaseStorage: the Storage that any number of onceds share, a database that speaks PostgreSQL's
// protocol. Once a second it looks whether that answers, with a question like any other, on a
// thread of its own, and notes what came of it: so who asks how it is waits for nothing.
//
// Threads: as Storage.
// Invariants: no message has a password in it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/postgres_store.h"
#include "engine/rounds.h"
#include "server/operations/log_event.h"
#include "server/options.h"
#include "server/storage.h"

namespace onced {

class DatabaseStorage : public Storage {
 public:
  // Unavailable: nobody there, or not let in. InvalidArgument: it has no tables of onced's.
  // Corruption: they are of a newer version.
  // `report` hears when the database goes, and when it is back.
  static Result<std::unique_ptr<Storage>> Open(const ServeOptions& options, Report report);
  // Whether it could be opened.
  static Status LookAt(const ServeOptions& options);
  // InvalidArgument, which does not repeat it, when it is no such URL.
  static Status CheckUrl(const std::string& url);
  // How a fault of the above is told to the shell.
  static int ExitCodeOf(const Status& fault);

  ~DatabaseStorage() override;
  Store* store() override { return store_.get(); }
  int64_t NowMs() const override { return store_->NowMs(); }
  const char* durability() const override { return "database"; }
  size_t calls_at_once() const override { return connections_; }
  StorageFigures Figures() const override;
  std::vector<ReadyCheck> Checks(bool draining) const override;

 private:
  class Watch;
  DatabaseStorage(std::unique_ptr<PostgresStore> store, size_t connections, Report report);

  const std::unique_ptr<PostgresStore> store_;
  const size_t connections_;
  const std::unique_ptr<Watch> watch_;
};

}  // namespace onced

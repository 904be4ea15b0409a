// SPDX-License-Identifier: MIT
// The servers that http_bench compares: onced, the stock cpp-httplib echo, PostgreSQL. Each starts
// on a free port or a socket of its own, in a temporary folder, and ends with its object.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <string>

#include "bench/child.h"
#include "bench/wrk.h"

namespace onced::bench {

class Server {
 public:
  int port() const { return port_; }
  // Sends `workload` to it, and notes what processor time a request took.
  Measured Serve(const Workload& workload, const WrkOptions& options);
  double cpu_us_per_request() const { return cpu_us_per_request_; }

 protected:
  explicit Server(const Command& command);
  ~Server() = default;

 private:
  const TempFolder log_folder_;
  Child child_;
  int port_;
  double cpu_us_per_request_ = 0;
};

struct StockEcho : Server {
  explicit StockEcho(const std::string& program) : Server({.words = {program}}) {}
};

// `onced serve` with an empty data folder.
class OncedServer {
 public:
  OncedServer(const std::string& program, const std::string& durability);

  // Stores the result that Workload::kReplay asks for.
  void StoreHotKey();
  // Runs kFresh or kBatch in a scope of its own, and checks that every key that was answered for,
  // and none that was not sent, is there. Returns keys, not requests, per second.
  Measured ServeNewKeys(Workload workload, const WrkOptions& options);
  // Runs kReplay, and checks that as many replays were counted for the hot key as wrk had answers.
  Measured ServeReplays(const Workload& workload, const WrkOptions& options);
  Server& server() { return server_; }

 private:
  struct Process : Server {
    explicit Process(const Command& command) : Server(command) {}
  };
  int64_t CountKeys(const std::string& scope) const;
  int64_t CountReplays() const;

  const TempFolder folder_;
  Process server_;
  int scopes_ = 0;
};

// A new cluster with Debian's defaults (fsync on), and a table of claims.
class Postgres {
 public:
  Postgres();
  // INSERT ... ON CONFLICT DO NOTHING of new keys by pgbench (prepared statements, two threads);
  // returns inserts per second, after counting that all of them are there.
  double Insert(int clients, int seconds);

  // Where PostgreSQL's programs are; empty when it is not installed.
  static std::string Programs();

 private:
  std::string Sql(const std::string& statement) const;

  const TempFolder folder_;
  const std::string programs_ = Programs();
  const std::string cluster_;
  const Child child_;
  int runs_ = 0;
};

}  // namespace onced::bench

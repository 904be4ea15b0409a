// SPDX-License-Identifier: MIT
// What the engine's benches stand on: a ledger in a new folder, its bare floor, and which keys are
// asked for.
//
// Threads: what is made is used from all threads of a bench; making and ending it is one thread's.
#pragma once

#include <benchmark/benchmark.h>
#include <rocksdb/db.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "engine/rocks_store.h"

namespace onced {

struct WorldOptions {
  Durability durability = Durability::kOs;
  bool audit = true;
  bool wait_at_gate = true;
  size_t stripes = 0;  // 0: as many as a server has
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  RocksStore& store() { return *store_; }
  Ledger& ledger() { return *ledger_; }

 private:
  const std::string folder_;
  std::unique_ptr<RocksStore> store_;
  std::unique_ptr<Ledger> ledger_;
};

// RocksDB with the engine's options: one family for records, one for the rows of the audit.
class Floor {
 public:
  Floor();
  ~Floor();
  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* records() { return families_[0]; }
  rocksdb::ColumnFamilyHandle* audit() { return families_[1]; }

 private:
  const std::string folder_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::unique_ptr<rocksdb::DB> db_;
};

Key KeyNamed(const std::string& text);
// Of the thread, and of nobody else.
std::string OwnKeyText(const benchmark::State& state, int64_t number);

// In what order keys of a fixed set are asked for. Made beforehand, so that drawing costs nothing.
enum class Spread : int64_t { kHot, kUniform, kZipf };  // Zipf: exponent 0.99
class Picks {
 public:
  static constexpr size_t kKeys = 20'000;
  Picks(Spread spread, int thread);
  const Key& Next() { return *keys_[next_++ % keys_.size()]; }
  static const std::vector<Key>& All();

 private:
  std::vector<const Key*> keys_;
  size_t next_ = 0;
};

}  // namespace onced

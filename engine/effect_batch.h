// SPDX-License-Identifier: MIT
// EffectBatch: what a function given to Execute reads and writes: it sees the database and, before
// it, its own writes, on the keys named in the call and no others.
//
// Private to the engine: includes RocksDB.
// Threads: one, which holds the KeyLocks of all those keys.
// Invariants: nothing reaches the database but by AddTo().
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/check.h"
#include "engine/rocks_database.h"
#include "engine/store.h"

namespace onced {

class EffectBatch : public Batch {
 public:
  EffectBatch(RocksDatabase& db, std::span<const Key> allowed) : db_(db), allowed_(allowed) {}

  Result<std::optional<std::string>> Get(const Key& key) override {
    Check(key);
    const auto own = values_.find(key.encoded());
    if (own != values_.end()) return own->second;
    return db_.Get(Family::kEffects, key.encoded());
  }
  void Put(const Key& key, std::string value) override {
    Check(key);
    values_[key.encoded()] = std::move(value);
  }
  void Delete(const Key& key) override {
    Check(key);
    values_[key.encoded()] = std::nullopt;
  }

  void AddTo(rocksdb::WriteBatch& batch) const {
    rocksdb::ColumnFamilyHandle* effects = db_.handle(Family::kEffects);
    for (const auto& [key, value] : values_) {
      if (value.has_value()) {
        batch.Put(effects, key, *value);
      } else {
        batch.Delete(effects, key);
      }
    }
  }

 private:
  void Check(const Key& key) const {
    ONCED_CHECK(std::find(allowed_.begin(), allowed_.end(), key) != allowed_.end());
  }

  RocksDatabase& db_;
  const std::span<const Key> allowed_;
  std::unordered_map<std::string, std::optional<std::string>> values_;
};

}  // namespace onced

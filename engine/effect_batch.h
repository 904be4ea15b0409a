// SPDX-License-Identifier: MIT
// EffectBatch: what a function given to Execute reads and writes: it sees what is stored and,
// before it, its own writes, on the keys named in the call and no others.
//
// Threads: one, which holds the KeyLocks of all those keys.
// Invariants: it writes nothing itself; the store does, from values(), together with the record.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/check.h"
#include "engine/store.h"

namespace onced {

constexpr size_t kEffectKeysMax = 64;

class EffectBatch : public Batch {
 public:
  using Stored = std::function<Result<std::optional<std::string>>(const Key&)>;
  using Values = std::unordered_map<std::string, std::optional<std::string>>;  // absent: deleted

  EffectBatch(std::span<const Key> allowed, Stored stored)
      : allowed_(allowed), stored_(std::move(stored)) {}

  Result<std::optional<std::string>> Get(const Key& key) override {
    Check(key);
    const auto own = values_.find(key.encoded());
    if (own != values_.end()) return own->second;
    return stored_(key);
  }
  void Put(const Key& key, std::string value) override {
    Check(key);
    values_[key.encoded()] = std::move(value);
  }
  void Delete(const Key& key) override {
    Check(key);
    values_[key.encoded()] = std::nullopt;
  }
  // By encoded keys.
  const Values& values() const { return values_; }

 private:
  void Check(const Key& key) const {
    ONCED_CHECK(std::find(allowed_.begin(), allowed_.end(), key) != allowed_.end());
  }

  const std::span<const Key> allowed_;
  const Stored stored_;
  Values values_;
};

}  // namespace onced

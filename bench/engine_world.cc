// SPDX-License-Identifier: MIT
#include "bench/engine_world.h"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <random>

#include "engine/rocks_options.h"

namespace onced {
namespace {

std::string NewFolder() {
  static std::atomic<int> number{0};
  return std::filesystem::temp_directory_path() /
         ("onced-bench-" + std::to_string(getpid()) + "-" + std::to_string(number++));
}

}  // namespace

World::World(const WorldOptions& options) : folder_(NewFolder()) {
  store_ = std::move(*RocksStore::Open({.path = folder_,
                                        .durability = options.durability,
                                        .audit = options.audit,
                                        .stripes = options.stripes}));
  ledger_ =
      std::make_unique<Ledger>(store_.get(), LedgerOptions{.wait_at_gate = options.wait_at_gate});
}

World::~World() {
  ledger_.reset();
  store_.reset();
  std::filesystem::remove_all(folder_);
}

Floor::Floor() : folder_(NewFolder()) {
  rocksdb::DBOptions options = DatabaseOptions(Footprint::kServer);
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  const SharedMemory memory = NewSharedMemory(Footprint::kServer);
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, FamilyOptions(Footprint::kServer, memory, {}, nullptr)},
      {"audit", FamilyOptions(Footprint::kServer, memory, {}, nullptr)}};
  rocksdb::DB* raw = nullptr;
  ONCED_CHECK(rocksdb::DB::Open(options, folder_, families, &families_, &raw).ok());
  db_.reset(raw);
}

Floor::~Floor() {
  for (rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
  db_.reset();
  std::filesystem::remove_all(folder_);
}

Key KeyNamed(const std::string& text) { return *Key::Make("default", "bench", text); }

std::string OwnKeyText(const benchmark::State& state, int64_t number) {
  return "key-" + std::to_string(state.thread_index()) + "-" + std::to_string(number);
}

const std::vector<Key>& Picks::All() {
  static const std::vector<Key> all = [] {
    std::vector<Key> keys;
    for (size_t i = 0; i < kKeys; ++i) keys.push_back(KeyNamed("known-" + std::to_string(i)));
    return keys;
  }();
  return all;
}

Picks::Picks(Spread spread, int thread) {
  constexpr size_t kDrawn = 1 << 16;
  std::mt19937_64 random(static_cast<uint64_t>(thread) + 1);
  std::vector<double> weights(spread == Spread::kHot ? 1 : kKeys, 1.0);
  if (spread == Spread::kZipf) {
    for (size_t i = 0; i < kKeys; ++i) weights[i] = 1 / std::pow(static_cast<double>(i + 1), 0.99);
  }
  std::discrete_distribution<size_t> draw(weights.begin(), weights.end());
  for (size_t i = 0; i < kDrawn; ++i) keys_.push_back(&All()[draw(random)]);
}

}  // namespace onced

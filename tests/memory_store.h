// SPDX-License-Identifier: MIT
// MemoryStore: the ledger's other store, a few maps under one mutex. It uses the engine's own
// stripes, lines, gate and fences as RocksStore does, and nothing that is not ours and not compiled
// with the tests, so the thread sanitizer sees every access and needs to be told of no exception.
//
// What it keeps stays in the process under the name of the folder, and is there again when that is
// opened anew: closing it is a restart in good order. It writes no file.
//
// Threads: every call from any thread, but Open and the destructor.
// Invariants: see Store.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/fences.h"
#include "engine/orphan.h"
#include "engine/rocks_store.h"
#include "engine/rounds.h"

namespace onced {

class MemoryStore : public Store {
 public:
  // Of the options those count that are not about files.
  static Result<std::unique_ptr<MemoryStore>> Open(RocksStoreOptions options);
  ~MemoryStore() override;

  Result<Found> Read(const Key& key) override;
  Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                         std::optional<Found> guess, const Waiter* waiter) override;
  Result<std::vector<Applied>> UpdateAll(std::span<const UpdateStep> steps) override;
  Result<Applied> UpdateWithEffects(const Key& key, Needs needs, std::span<const Key> effects,
                                    const EffectDecider& decide) override;
  Result<Page<ListedRecord>> List(const ListQuery& query) override;
  Result<LiveCount> CountLive(std::string_view tenant, const std::string& after) override;
  Result<Page<Run>> Runs(const Key& key) override;
  Result<Page<std::string>> ReadEffect(const Key& key) override;
  Result<Page<ListedEffect>> ListEffects(const ListQuery& query) override;
  std::unique_ptr<Waiter> NewWaiter(const Key& key, bool claims,
                                    std::function<void()> wake) override;
  bool IsDurable(uint64_t sequence) override { return !gate_->Holds(sequence); }
  void WhenDurable(uint64_t sequence, std::function<void()> pass) override {
    gate_->WhenDurable(sequence, std::move(pass));
  }
  Status WaitDurable(uint64_t sequence) override { return gate_->WaitDurable(sequence); }

  // Drops what has been dead for a while.
  Status Reap();
  // How many wait; no more.
  StoreHealth Health() const;

 private:
  class Shelf;
  struct Change;
  MemoryStore(RocksStoreOptions options, std::shared_ptr<Shelf> shelf);

  Clock& clock() { return *options_.clock; }
  std::optional<Record> Load(const Key& key);
  Result<Moment> MomentFor(Needs needs);
  uint64_t Write(const KeyLock& lock, Change change);

  const RocksStoreOptions options_;
  const std::shared_ptr<Shelf> shelf_;
  Stripes stripes_;
  Fences fences_;
  const ProcessStart start_;
  std::unique_ptr<CommitGate> gate_;
  std::unique_ptr<Rounds> reaper_;
};

}  // namespace onced

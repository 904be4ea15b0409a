// SPDX-License-Identifier: MIT
// InterruptedStore: another store, with something happening at the worst moment: right after it was
// read, or right after a caller was put in line.
//
// Threads: as the store behind it; set what happens before it is shared. Each happens once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store.h"

namespace onced {

class InterruptedStore : public Store {
 public:
  explicit InterruptedStore(Store* store) : store_(store) {}

  std::function<void()> after_a_read;
  std::function<void()> after_lining_up;

  // Also where it is not: it is the look that is interrupted.
  bool ReadIsCheap() const override { return true; }
  Result<Found> Read(const Key& key) override {
    Result<Found> found = store_->Read(key);
    Happens(after_a_read);
    return found;
  }
  Result<Page<Run>> Runs(const Key& key) override {
    Result<Page<Run>> runs = store_->Runs(key);
    Happens(after_a_read);
    return runs;
  }
  Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                         std::optional<Found> guess, const Waiter* waiter) override {
    Result<Applied> applied = store_->Update(key, needs, decide, std::move(guess), waiter);
    if (applied.ok() && applied->waiting) Happens(after_lining_up);
    return applied;
  }
  Result<std::vector<Applied>> UpdateAll(std::span<const UpdateStep> steps) override {
    return store_->UpdateAll(steps);
  }
  Result<Applied> UpdateWithEffects(const Key& key, Needs needs, std::span<const Key> effects,
                                    const EffectDecider& decide) override {
    return store_->UpdateWithEffects(key, needs, effects, decide);
  }
  Result<Page<ListedRecord>> List(const ListQuery& query) override { return store_->List(query); }
  Result<LiveCount> CountLive(std::string_view tenant, const std::string& after) override {
    return store_->CountLive(tenant, after);
  }
  Result<Page<std::string>> ReadEffect(const Key& key) override { return store_->ReadEffect(key); }
  Result<Page<ListedEffect>> ListEffects(const ListQuery& query) override {
    return store_->ListEffects(query);
  }
  std::unique_ptr<Waiter> NewWaiter(const Key& key, bool claims,
                                    std::function<void()> wake) override {
    return store_->NewWaiter(key, claims, std::move(wake));
  }
  bool IsDurable(uint64_t sequence) override { return store_->IsDurable(sequence); }
  void WhenDurable(uint64_t sequence, std::function<void()> pass) override {
    store_->WhenDurable(sequence, std::move(pass));
  }
  Status WaitDurable(uint64_t sequence) override { return store_->WaitDurable(sequence); }

 private:
  static void Happens(std::function<void()>& what) {
    if (what) std::exchange(what, nullptr)();
  }
  Store* const store_;
};

}  // namespace onced

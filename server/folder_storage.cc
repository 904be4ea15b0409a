// SPDX-License-Identifier: MIT
#include "server/folder_storage.h"

#include <utility>

#include "server/options.h"

namespace onced {

FolderStorage::FolderStorage(std::unique_ptr<RocksStore> store, Durability durability)
    : store_(std::move(store)), durability_(DurabilityName(durability)) {}

Result<std::unique_ptr<Storage>> FolderStorage::Open(RocksStoreOptions options) {
  const Durability durability = options.durability;
  Result<std::unique_ptr<RocksStore>> store = RocksStore::Open(std::move(options));
  if (!store.ok()) return store.status();
  return std::unique_ptr<Storage>(new FolderStorage(std::move(*store), durability));
}

StorageFigures FolderStorage::Figures() const {
  StorageFigures figures{.files = store_->Figures()};
  figures.waiters = figures.files->health.waiters;
  return figures;
}

std::vector<ReadyCheck> FolderStorage::Checks(bool draining) const {
  return ReadyChecks(store_->Readiness(), draining);
}

}  // namespace onced

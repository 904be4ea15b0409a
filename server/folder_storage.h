// SPDX-License-Identifier: MIT
// FolderStorage: the Storage of one machine, a data folder.
//
// Threads: as Storage.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/rocks_store.h"
#include "server/storage.h"

namespace onced {

class FolderStorage : public Storage, private StoredFiles {
 public:
  // Fails as RocksStore::Open does.
  static Result<std::unique_ptr<Storage>> Open(RocksStoreOptions options);

  Store* store() override { return store_.get(); }
  int64_t NowMs() const override { return store_->NowMs(); }
  const char* durability() const override { return durability_; }
  StorageFigures Figures() const override;
  std::vector<ReadyCheck> Checks(bool draining) const override;
  StoredFiles* files() override { return this; }

 private:
  FolderStorage(std::unique_ptr<RocksStore> store, Durability durability);
  Status Backup(const std::string& folder) override { return store_->Backup(folder); }
  void EndBackups() override { store_->EndBackups(); }
  std::unique_ptr<Keyspace> NewKeyspace() override { return store_->NewKeyspace(); }

  const std::unique_ptr<RocksStore> store_;
  const char* const durability_;
};

}  // namespace onced

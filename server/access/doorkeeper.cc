// SPDX-License-Identifier: MIT
#include "server/access/doorkeeper.h"

namespace onced {

Result<std::unique_ptr<Doorkeeper>> Doorkeeper::Open(std::string path) {
  Result<std::shared_ptr<const TokenBook>> book = TokenBook::Load(path);
  if (!book.ok()) return book.status();
  return std::make_unique<Doorkeeper>(std::move(path), std::move(*book));
}

Status Doorkeeper::Reload() {
  Result<std::shared_ptr<const TokenBook>> book = TokenBook::Load(path_);
  if (!book.ok()) return book.status();
  MutexLock lock(mutex_);
  book_.swap(*book);  // the old one goes when the lock is let go, and nobody uses it any more
  return Status::Ok();
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// Doorkeeper: the token book as it is now. It is read again when asked; a file that is not valid
// changes nothing.
//
// Threads: every call from any thread.
// Invariants: a book that was handed out stays as it is; who comes in next is judged by the newest.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/mutex.h"
#include "engine/status.h"
#include "server/access/token_book.h"

namespace onced {

class Doorkeeper {
 public:
  // InvalidArgument, naming the file: see TokenBook::Load.
  static Result<std::unique_ptr<Doorkeeper>> Open(std::string path);
  Doorkeeper(std::string path, std::shared_ptr<const TokenBook> book)
      : path_(std::move(path)), book_(std::move(book)) {}

  Status Reload();
  std::shared_ptr<const TokenBook> Book() const {
    MutexLock lock(mutex_);
    return book_;
  }

 private:
  const std::string path_;
  mutable Mutex mutex_;
  std::shared_ptr<const TokenBook> book_ GUARDED_BY(mutex_);
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/gateway/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "engine/check.h"

namespace onced {

Inbox::Inbox() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { ONCED_CHECK(event_ >= 0); }

Inbox::~Inbox() { close(event_); }

void Inbox::Put(Letter letter) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = letters_.empty();
    letters_.push_back(std::move(letter));
  }
  if (first) ONCED_CHECK(eventfd_write(event_, 1) == 0);
}

std::vector<Letter> Inbox::TakeAll() {
  // In this order: what is put in between is announced again.
  eventfd_t ignored = 0;
  (void)eventfd_read(event_, &ignored);
  std::vector<Letter> letters;
  MutexLock lock(mutex_);
  letters.swap(letters_);
  return letters;
}

}  // namespace onced

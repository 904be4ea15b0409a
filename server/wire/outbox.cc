// SPDX-License-Identifier: MIT
#include "server/wire/outbox.h"

#include <utility>

namespace onced::wire {
namespace {

constexpr size_t kBufferKept = 16 * 1024;  // from one write to the next

}  // namespace

void Outbox::Add(std::shared_ptr<Answer> answer) {
  bytes_ += answer->bytes.size();
  answers_.push_back(std::move(answer));
}

const std::string* Outbox::BeginWrite(const std::function<void(const Tag&)>& leaves) {
  if (write_under_way_ || answers_.empty() || !answers_.front()->ready) return nullptr;
  while (!answers_.empty() && answers_.front()->ready && !last_taken_) {
    Answer& answer = *answers_.front();
    last_taken_ = answer.last;
    if (leaves && answer.tag.status != 0) leaves(answer.tag);
    bytes_ -= answer.bytes.size();
    if (answer.if_unsent) undos_.push_back({writing_.size(), std::move(answer.if_unsent)});
    if (writing_.empty()) {
      writing_ = std::move(answer.bytes);
    } else {
      writing_.append(answer.bytes);
    }
    answers_.pop_front();
  }
  if (writing_.empty()) return nullptr;
  write_under_way_ = true;
  return &writing_;
}

void Outbox::Written(size_t size) {
  const bool failed = size < writing_.size();
  write_under_way_ = false;
  writing_.clear();
  if (writing_.capacity() > kBufferKept) writing_.shrink_to_fit();
  for (const Undo& one : std::exchange(undos_, {})) {
    if (failed && one.begins_at >= size) one.undo();
  }
}

void Outbox::Drop() {
  for (const std::shared_ptr<Answer>& answer : std::exchange(answers_, {})) {
    if (answer->if_unsent) answer->if_unsent();
  }
  bytes_ = 0;
}

}  // namespace onced::wire

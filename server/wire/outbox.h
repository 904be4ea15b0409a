// SPDX-License-Identifier: MIT
// Outbox: the answers of one connection, from finished to written. They leave in the order of their
// requests, each not before it may, and as many as may at once in one piece.
//
// Private to server/wire.
// Threads: its connection's loop.
// Invariants: 1. No answer overtakes another. 2. What undoes an answer that nobody got (if_unsent)
// is called at most once, and only while none of its bytes have been written. 3. After the last
// answer of a connection none leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/wire/tag.h"

namespace onced::wire {

struct Answer {
  Tag tag;
  std::string bytes;
  std::function<void()> if_unsent;
  bool ready = false;  // may leave
  bool last = false;   // the connection closes after it
};

class Outbox {
 public:
  void Add(std::shared_ptr<Answer> answer);

  bool empty() const { return answers_.empty(); }
  size_t size() const { return answers_.size(); }  // what is being written not counted
  size_t bytes() const { return bytes_ + writing_.size(); }
  // Whether what is added now, and may leave, would leave with the next write.
  bool moves() const {
    return answers_.empty() || (answers_.front()->ready && answers_.back()->ready);
  }
  bool writing() const { return write_under_way_; }
  bool wrote_last() const { return last_taken_ && !write_under_way_; }

  // All that may leave now, and is to be written; nullptr when there is nothing, or something is
  // being written. It stays as it is until Written() is called. `leaves` is told of each answer;
  // may be absent.
  const std::string* BeginWrite(const std::function<void(const Tag&)>& leaves = nullptr);
  // `size`: how much of it has gone out; less than all is the end of the connection.
  void Written(size_t size);

  // The connection is gone. What is being written is settled by Written().
  void Drop();

 private:
  std::deque<std::shared_ptr<Answer>> answers_;
  size_t bytes_ = 0;  // of answers_
  std::string writing_;
  struct Undo {
    size_t begins_at;  // in writing_
    std::function<void()> undo;
  };
  std::vector<Undo> undos_;
  bool write_under_way_ = false;
  bool last_taken_ = false;
};

}  // namespace onced::wire

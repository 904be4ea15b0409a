// SPDX-License-Identifier: MIT
// Collection: the bytes that a hash, a set, a sorted set or a list is kept as, all of it in one
// value (engine/FORMAT.md). A reader walks through them where they lie; a writer puts new ones
// together, mostly out of pieces of the old.
//
// Threads: values on the stack of one function.
// Invariants: 1. Whatever the bytes are, a reader stays within them. 2. The members of a sorted set
// lie in the order of their scores, those of one score in that of their names; all others in the
// order in which they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/keyspace.h"

namespace onced::redis {

// Nothing larger is kept: every change writes the whole.
constexpr size_t kCollectionMax = size_t{1} << 20;

struct Member {
  std::string_view name;     // of a hash its field, of a list its element
  std::string_view value;    // of a hash alone
  double score = 0;          // of a sorted set alone
  std::string_view encoded;  // all of it
};

// Whether `a` comes before `b` in a sorted set.
bool ComesBefore(const Member& a, const Member& b);

class CollectionReader {
 public:
  CollectionReader() = default;  // of nothing
  CollectionReader(ValueType type, std::string_view bytes);

  // How many there are, says the head.
  size_t size() const { return size_; }
  // false: that was all, or what follows is no member.
  bool Next(Member* member);
  // What Next has not given yet.
  size_t left() const { return left_; }
  std::string_view rest() const { return rest_; }

 private:
  bool TakeScore(double* score);
  bool TakePart(std::string_view* part);

  ValueType type_ = ValueType::kSet;
  std::string_view rest_;
  size_t size_ = 0;
  size_t left_ = 0;
};

// Whether the bytes are such a collection from end to end. It costs less than the storage's own
// checksum over them, so it is asked of all that is loaded.
bool IsCollection(ValueType type, std::string_view bytes);

class CollectionWriter {
 public:
  explicit CollectionWriter(size_t room = 0);

  void Add(std::string_view name);  // to a set or a list
  void Add(std::string_view field, std::string_view value);
  void Add(double score, std::string_view name);  // REQUIRES: its turn has come
  // Of a collection of the same type, whose bytes stay where they are until Finish.
  void Keep(const Member& member);
  // All that `from` has still to give.
  void KeepRest(const CollectionReader& from);

  size_t size() const { return size_; }
  // The bytes of all that was added, until the next change.
  std::string_view Finish();

 private:
  void AddPart(std::string_view part);
  void CopyRun();

  std::string bytes_;
  std::string_view run_;  // members that were kept one after another, to be copied in one go
  size_t size_ = 0;
};

}  // namespace onced::redis

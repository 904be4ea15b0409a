// SPDX-License-Identifier: MIT
#include "server/redis/collection.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace onced::redis {
namespace {

static_assert(std::endian::native == std::endian::little, "FORMAT.md is little-endian");

using Head = uint32_t;
constexpr int kLengthBytesMax = 3;  // of seven bits: more than a collection's bytes

}  // namespace

bool ComesBefore(const Member& a, const Member& b) {
  return a.score != b.score ? a.score < b.score : a.name < b.name;
}

CollectionReader::CollectionReader(ValueType type, std::string_view bytes) : type_(type) {
  Head head = 0;
  if (bytes.size() < sizeof head) return;
  std::memcpy(&head, bytes.data(), sizeof head);
  rest_ = bytes.substr(sizeof head);
  size_ = left_ = head;
}

bool CollectionReader::TakeScore(double* score) {
  if (rest_.size() < sizeof *score) return false;
  std::memcpy(score, rest_.data(), sizeof *score);
  rest_.remove_prefix(sizeof *score);
  return true;
}

bool CollectionReader::TakePart(std::string_view* part) {
  size_t size = 0;
  for (int i = 0; i < kLengthBytesMax && !rest_.empty(); ++i) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    size |= static_cast<size_t>(byte & 0x7F) << (7 * i);
    if (byte & 0x80) continue;
    if (size > rest_.size()) return false;
    *part = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  return false;
}

bool CollectionReader::Next(Member* member) {
  if (left_ == 0) return false;
  const std::string_view begin = rest_;
  const bool whole = (type_ != ValueType::kSortedSet || TakeScore(&member->score)) &&
                     TakePart(&member->name) &&
                     (type_ != ValueType::kHash || TakePart(&member->value));
  if (!whole) {
    left_ = 0;
    return false;
  }
  --left_;
  member->encoded = begin.substr(0, begin.size() - rest_.size());
  return true;
}

bool IsCollection(ValueType type, std::string_view bytes) {
  CollectionReader reader(type, bytes);
  const size_t size = reader.size();
  Member before;
  Member member;
  size_t met = 0;
  for (; reader.Next(&member); ++met) {
    if (type != ValueType::kSortedSet) continue;
    if (std::isnan(member.score) || (met > 0 && !ComesBefore(before, member))) return false;
    before = member;
  }
  return size > 0 && met == size && reader.rest().empty();
}

CollectionWriter::CollectionWriter(size_t room) {
  bytes_.reserve(sizeof(Head) + room);
  bytes_.resize(sizeof(Head));
}

void CollectionWriter::AddPart(std::string_view part) {
  size_t size = part.size();
  for (; size > 0x7F; size >>= 7) bytes_.push_back(static_cast<char>(0x80 | (size & 0x7F)));
  bytes_.push_back(static_cast<char>(size));
  bytes_.append(part);
}

void CollectionWriter::Add(std::string_view name) {
  CopyRun();
  AddPart(name);
  ++size_;
}

void CollectionWriter::Add(std::string_view field, std::string_view value) {
  CopyRun();
  AddPart(field);
  AddPart(value);
  ++size_;
}

void CollectionWriter::Add(double score, std::string_view name) {
  CopyRun();
  score += 0.0;  // no minus before a zero
  bytes_.append(reinterpret_cast<const char*>(&score), sizeof score);
  AddPart(name);
  ++size_;
}

void CollectionWriter::Keep(const Member& member) {
  if (run_.data() + run_.size() == member.encoded.data()) {
    run_ = {run_.data(), run_.size() + member.encoded.size()};
  } else {
    CopyRun();
    run_ = member.encoded;
  }
  ++size_;
}

void CollectionWriter::KeepRest(const CollectionReader& from) {
  CopyRun();
  bytes_.append(from.rest());
  size_ += from.left();
}

void CollectionWriter::CopyRun() {
  bytes_.append(run_);
  run_ = {};
}

std::string_view CollectionWriter::Finish() {
  CopyRun();
  const auto head = static_cast<Head>(size_);
  std::memcpy(bytes_.data(), &head, sizeof head);
  return bytes_;
}

}  // namespace onced::redis

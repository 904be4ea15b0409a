// SPDX-License-Identifier: MIT
#include "engine/turn_cache.h"

#include <utility>

#include "engine/check.h"

namespace onced {

// With the node, its bucket, and the two allocations of its strings.
size_t TurnCache::Footprint(const Node& node) {
  constexpr size_t kOverhead = sizeof(Node) + 48;
  return BytesOf(node) + kOverhead;
}

const TurnCache::Record* TurnCache::Find(const std::string& key) {
  const auto found = records_.find(key);
  if (found == records_.end()) return nullptr;
  found->second.used = true;
  return &found->second.record;
}

const TurnCache::Record& TurnCache::Keep(const std::string& key, std::string_view record) {
  MakeRoom();
  const auto [node, is_new] = records_.try_emplace(key);
  ONCED_CHECK(is_new);
  node->second.record.emplace(record);
  kept_bytes_ += Footprint(*node);
  return node->second.record;
}

void TurnCache::Change(const std::string& key, Record to) {
  const auto [found, is_new] = records_.try_emplace(key);
  Node& node = *found;
  Slot& slot = node.second;
  if (slot.changed) {
    changed_bytes_ -= BytesOf(node);
  } else if (!is_new) {
    kept_bytes_ -= Footprint(node);
  }
  if (marked_ && slot.mark != marks_) {
    slot.mark = marks_;
    undos_.push_back({.node = &node,
                      .was = std::move(slot.record),
                      .was_changed = slot.changed,
                      .is_new = is_new});
  }
  slot.record = std::move(to);
  if (!std::exchange(slot.changed, true)) changed_.push_back(&node);
  slot.used = true;
  changed_bytes_ += BytesOf(node);
}

void TurnCache::Mark() {
  ONCED_CHECK(!marked_);
  marked_ = true;
  ++marks_;
  undos_.clear();
  changed_at_mark_ = changed_.size();
  changed_bytes_at_mark_ = changed_bytes_;
}

void TurnCache::GoBack() {
  ONCED_CHECK(marked_);
  marked_ = false;
  changed_.resize(changed_at_mark_);
  changed_bytes_ = changed_bytes_at_mark_;
  for (Undo& undo : undos_) {
    Slot& slot = undo.node->second;
    slot.record = std::move(undo.was);
    slot.changed = undo.was_changed;
    if (undo.is_new) {
      records_.erase(undo.node->first);
    } else if (!slot.changed) {
      kept_bytes_ += Footprint(*undo.node);
    }
  }
  undos_.clear();
}

void TurnCache::Forget(Node* node) {
  // By its place: the key that names it goes with it.
  const auto found = records_.find(node->first);
  records_.erase(found);
}

void TurnCache::Committed() {
  marked_ = false;
  for (Node* const node : changed_) {
    Slot& slot = node->second;
    if (!slot.record.has_value() || slot.record->size() > kKeptRecordMax) {
      Forget(node);
      continue;
    }
    slot.changed = false;
    kept_bytes_ += Footprint(*node);
  }
  changed_.clear();
  changed_bytes_ = 0;
  undos_.clear();
  MakeRoom();
}

void TurnCache::Abandon() {
  marked_ = false;
  for (Node* const node : changed_) Forget(node);
  changed_.clear();
  changed_bytes_ = 0;
  undos_.clear();
}

// A clock over the buckets: what was used since the hand came by stays once more.
void TurnCache::MakeRoom() {
  while (kept_bytes_ > kept_max_) {
    hand_ = (hand_ + 1) % records_.bucket_count();
    std::vector<Node*> unused;
    for (auto node = records_.begin(hand_); node != records_.end(hand_); ++node) {
      if (node->second.changed) continue;
      if (!std::exchange(node->second.used, false)) unused.push_back(&*node);
    }
    for (Node* const node : unused) {
      kept_bytes_ -= Footprint(*node);
      Forget(node);
    }
  }
}

}  // namespace onced

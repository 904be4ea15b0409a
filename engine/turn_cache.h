// SPDX-License-Identifier: MIT
// TurnCache: the records of a keyspace that are in memory: those that the turn has changed, and, up
// to a size, those that were read or written lately. It is what makes a keyspace's reads see its
// own turn, and its hot keys cost no look at the disk.
//
// It may be trusted because its owner is the only one who writes these records. The TTL filter and
// the reaper take records off the disk too, but only dead ones, and whoever reads a record judges
// that by itself.
//
// Threads: one, its owner's.
// Invariants: 1. A record that is not of the turn is as the disk has it. 2. What the turn has
// changed stays until Committed or Abandon. 3. GoBack leaves everything as it was at Mark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace onced {

class TurnCache {
 public:
  // Of a record that is worth keeping when it is not of the turn.
  static constexpr size_t kKeptRecordMax = size_t{16} << 10;

  // A record as it is to be, or as it is; nullopt: there is none.
  using Record = std::optional<std::string>;

  explicit TurnCache(size_t kept_bytes) : kept_max_(kept_bytes) {}

  // nullptr: not in memory. Until the next call.
  const Record* Find(const std::string& key);
  // What the disk has, to be found here next time. Returns it as it is kept; REQUIRES: it is not
  // yet.
  const Record& Keep(const std::string& key, std::string_view record);
  void Change(const std::string& key, Record to);

  // A place to go back to. One at a time.
  void Mark();
  void GoBack();
  void ForgetMark() { marked_ = false; }

  // Visits (key, record) of what the turn has changed, each key once, in no order.
  template <typename Visit>
  void VisitChanged(const Visit& visit) const {
    for (const Node* node : changed_) visit(node->first, node->second.record);
  }
  bool IsUnchanged() const { return changed_.empty(); }
  size_t kept_bytes() const { return kept_bytes_; }
  size_t changed_bytes() const { return changed_bytes_; }

  // The disk has it all now; or has none of it, and is to be asked.
  void Committed();
  void Abandon();

 private:
  struct Slot {
    Record record;
    uint32_t mark = 0;  // the last one since which it was changed
    bool changed = false;
    bool used = true;  // since the hand came by
  };
  using Map = std::unordered_map<std::string, Slot>;
  using Node = Map::value_type;
  struct Undo {
    Node* node;
    Record was;
    bool was_changed;
    bool is_new;
  };

  static size_t BytesOf(const Node& node) {
    return node.first.size() + (node.second.record.has_value() ? node.second.record->size() : 0);
  }
  static size_t Footprint(const Node& node);
  void Forget(Node* node);
  void MakeRoom();

  const size_t kept_max_;
  Map records_;
  size_t kept_bytes_ = 0;  // of what is not changed, with what it costs to keep it
  size_t hand_ = 0;        // the bucket that is looked at next for what nobody uses
  std::vector<Node*> changed_;
  size_t changed_bytes_ = 0;

  bool marked_ = false;
  uint32_t marks_ = 0;
  std::vector<Undo> undos_;  // each node once
  size_t changed_at_mark_ = 0;
  size_t changed_bytes_at_mark_ = 0;
};

}  // namespace onced

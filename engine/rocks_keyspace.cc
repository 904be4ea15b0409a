// SPDX-License-Identifier: MIT
// The keyspace on RocksDB: a column family of its own, under the TTL filter and the reaper.
//
//   tenant short | number u8                                             -> the generation
//   tenant short | number u8 | generation u32 BE | slot u24 BE | name    -> a value
//
// A flush takes the next generation, so what was there is out of reach at once; the range it leaves
// behind is deleted in the same write. What the turn has changed is in a TurnCache, by encoded
// keys, so a name that is written a hundred times in a turn reaches the disk once.
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "engine/check.h"
#include "engine/coding.h"
#include "engine/keyspace.h"
#include "engine/rocks_parts.h"
#include "engine/turn_cache.h"

namespace onced {
namespace {

constexpr size_t kHeadSize = 12;  // version, type, 2 spare, time of death
constexpr size_t kSlotSize = 3;
constexpr uint64_t kCountedExactly = 10'000;
size_t KeptMax(Footprint footprint) {
  return footprint == Footprint::kEdge ? size_t{8} << 20 : size_t{64} << 20;
}

std::string Encoded(ValueType type, int64_t dead_at_ms, std::string_view bytes) {
  std::string out;
  out.reserve(kHeadSize + bytes.size());
  ByteWriter w(&out);
  w.Fixed(kFormatVersion);
  w.Fixed(static_cast<uint8_t>(type));
  w.Fixed(uint16_t{0});
  w.Fixed(dead_at_ms);
  return out.append(bytes);
}

Result<Entry> Decoded(std::string_view record) {
  ByteReader r(record);
  const auto version = r.Fixed<uint8_t>();
  const auto type = r.Fixed<uint8_t>();
  r.Fixed<uint16_t>();
  const auto dead_at_ms = r.Fixed<int64_t>();
  const bool known = type >= static_cast<uint8_t>(ValueType::kString) &&
                     type <= static_cast<uint8_t>(ValueType::kList);
  if (!r.ok() || version != kFormatVersion || !known) {
    return Status::Corruption("decode value: not of a version that is known");
  }
  return Entry{.type = static_cast<ValueType>(type), .dead_at_ms = dead_at_ms, .bytes = r.Rest()};
}

// FNV-1a, folded; on the disk, so it never changes.
uint32_t SlotOf(std::string_view name) {
  uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 1'099'511'628'211U;
  return static_cast<uint32_t>((hash ^ (hash >> 24) ^ (hash >> 48)) % Keyspace::kSlots);
}

void AppendSlot(uint32_t slot, std::string* out) {
  for (const int shift : {16, 8, 0}) out->push_back(static_cast<char>(slot >> shift & 0xFF));
}

uint32_t SlotIn(std::string_view encoded, size_t at) {
  uint32_t slot = 0;
  for (size_t i = 0; i < kSlotSize; ++i) slot = slot << 8 | static_cast<uint8_t>(encoded[at + i]);
  return slot;
}

class RocksKeyspace : public Keyspace {
 public:
  RocksKeyspace(RocksDatabase* db, CommitGate* gate, const std::atomic<bool>* space_low,
                Clock* clock, size_t kept_max)
      : db_(db), gate_(gate), space_low_(space_low), clock_(clock), records_(kept_max) {}

  Result<Space> Open(std::string_view tenant, uint8_t number) override;
  void SetNow(int64_t now_ms) override { now_ms_ = now_ms; }
  int64_t ClockMs() const override { return clock_->NowMs(); }
  Result<const Entry*> Load(Space space, std::string_view name) override;
  void Put(Space space, std::string_view name, ValueType type, int64_t dead_at_ms,
           std::string_view bytes) override {
    records_.Change(KeyOf(space, name), Encoded(type, dead_at_ms, bytes));
  }
  void Erase(Space space, std::string_view name) override {
    records_.Change(KeyOf(space, name), std::nullopt);
  }
  void Flush(Space space) override;
  Result<uint32_t> Scan(Space space, uint32_t from, size_t count, const Visit& visit) override;
  Result<uint64_t> Count(Space space) override;
  void Mark() override;
  void GoBack() override;
  void ForgetMark() override { records_.ForgetMark(); }
  size_t pending_bytes() const override { return records_.changed_bytes(); }
  Result<uint64_t> Commit() override;
  void Abandon() override;

 private:
  struct SpaceState {
    std::string meta_key;
    uint32_t generation = 0;
    std::string prefix;  // of its values in this generation
  };
  struct Flushed {
    Space space;
    uint32_t left;  // the generation
  };

  const std::string& KeyOf(Space space, std::string_view name);
  void SetGeneration(SpaceState& space, uint32_t generation);
  void TakeBack(const Flushed& flushed) { SetGeneration(spaces_[flushed.space], flushed.left); }
  using Changed = std::pair<std::string_view, const TurnCache::Record*>;
  std::vector<Changed> ChangedIn(const std::string& prefix, const std::string& from) const;
  bool Grows() const;
  void FillBatch();

  RocksDatabase* const db_;
  CommitGate* const gate_;
  const std::atomic<bool>* const space_low_;
  Clock* const clock_;
  int64_t now_ms_ = 0;

  std::map<std::pair<std::string, uint8_t>, Space, std::less<>> numbers_;
  std::vector<SpaceState> spaces_;

  TurnCache records_;
  std::vector<Flushed> flushed_;
  size_t flushed_at_mark_ = 0;

  rocksdb::WriteBatch batch_;
  std::string key_;               // of the call
  rocksdb::PinnableSlice value_;  // of the last Load
  Entry entry_;
};

Result<Keyspace::Space> RocksKeyspace::Open(std::string_view tenant, uint8_t number) {
  const auto found = numbers_.find(std::pair(std::string(tenant), number));
  if (found != numbers_.end()) return found->second;
  SpaceState state;
  ONCED_CHECK(!tenant.empty() && tenant.size() <= Key::kMaxTenantLength);
  state.meta_key = Key::TenantPrefix(tenant) + static_cast<char>(number);
  const Result<std::optional<std::string>> meta = db_->Get(Family::kKeyspace, state.meta_key);
  if (!meta.ok()) return meta.status();
  uint32_t generation = 0;
  if (meta->has_value()) {
    ByteReader r(**meta);
    const auto version = r.Fixed<uint8_t>();
    for (size_t i = 1; i < kHeadSize; ++i) r.Fixed<uint8_t>();
    generation = r.Fixed<uint32_t>();
    if (!r.ok() || version != kFormatVersion) {
      return Status::Corruption("decode keyspace: not of a version that is known");
    }
  }
  SetGeneration(state, generation);
  spaces_.push_back(std::move(state));
  const auto space = static_cast<Space>(spaces_.size() - 1);
  numbers_.emplace(std::pair(std::string(tenant), number), space);
  return space;
}

void RocksKeyspace::SetGeneration(SpaceState& space, uint32_t generation) {
  space.generation = generation;
  space.prefix = space.meta_key;
  for (const int shift : {24, 16, 8, 0}) {
    space.prefix.push_back(static_cast<char>(generation >> shift & 0xFF));
  }
}

const std::string& RocksKeyspace::KeyOf(Space space, std::string_view name) {
  ONCED_CHECK(name.size() <= kNameMax);
  key_.assign(spaces_[space].prefix);
  AppendSlot(SlotOf(name), &key_);
  return key_.append(name);
}

Result<const Entry*> RocksKeyspace::Load(Space space, std::string_view name) {
  const std::string& key = KeyOf(space, name);
  std::string_view record;
  if (const TurnCache::Record* const known = records_.Find(key)) {
    if (!known->has_value()) return nullptr;
    record = **known;
  } else {
    value_.Reset();
    const Result<bool> found = db_->Get(Family::kKeyspace, key, &value_);
    if (!found.ok()) return found.status();
    if (!*found) return nullptr;
    record = {value_.data(), value_.size()};
    if (record.size() <= TurnCache::kKeptRecordMax) record = *records_.Keep(key, record);
  }
  Result<Entry> entry = Decoded(record);
  if (!entry.ok()) return entry.status();
  if (IsDead(entry->dead_at_ms, now_ms_)) return nullptr;
  entry_ = *entry;
  return &entry_;
}

void RocksKeyspace::Flush(Space space) {
  SpaceState& state = spaces_[space];
  flushed_.push_back({.space = space, .left = state.generation});
  SetGeneration(state, state.generation + 1);
}

// What the turn has changed among the keys of `prefix` from `from` on, in order.
std::vector<RocksKeyspace::Changed> RocksKeyspace::ChangedIn(const std::string& prefix,
                                                             const std::string& from) const {
  std::vector<Changed> changed;
  records_.VisitChanged([&](const std::string& key, const TurnCache::Record& record) {
    if (key.starts_with(prefix) && key >= from) changed.emplace_back(key, &record);
  });
  std::sort(changed.begin(), changed.end());
  return changed;
}

Result<uint32_t> RocksKeyspace::Scan(Space space, uint32_t from, size_t count, const Visit& visit) {
  const std::string& prefix = spaces_[space].prefix;
  std::string start = prefix;
  AppendSlot(from, &start);
  const std::vector<Changed> changed = ChangedIn(prefix, start);
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->raw()->NewIterator(rocksdb::ReadOptions(), db_->handle(Family::kKeyspace)));
  it->Seek(start);
  auto next = changed.begin();
  size_t seen = 0;
  uint32_t last_slot = from;
  for (;;) {
    const bool stored = it->Valid() && it->key().starts_with(prefix);
    const std::string_view stored_key =
        stored ? std::string_view(it->key().data(), it->key().size()) : std::string_view();
    if (!stored && next == changed.end()) break;
    const bool of_turn = next != changed.end() && (!stored || next->first <= stored_key);
    const std::string_view key = of_turn ? next->first : stored_key;
    const uint32_t slot = SlotIn(key, prefix.size());
    if (seen >= count && slot != last_slot) return slot;
    last_slot = slot;
    ++seen;
    std::optional<std::string_view> record;
    if (of_turn) {
      if (next->second->has_value()) record = **next->second;
    } else {
      record = std::string_view(it->value().data(), it->value().size());
    }
    if (record.has_value()) {
      Result<Entry> entry = Decoded(*record);
      if (!entry.ok()) return entry.status();
      if (!IsDead(entry->dead_at_ms, now_ms_)) {
        visit(key.substr(prefix.size() + kSlotSize), *entry);
      }
    }
    if (stored && stored_key == key) it->Next();
    if (of_turn) ++next;
  }
  if (!it->status().ok()) return Status::Unreadable("scan: " + it->status().ToString());
  return kSlots;
}

Result<uint64_t> RocksKeyspace::Count(Space space) {
  uint64_t live = 0;
  const Result<uint32_t> end =
      Scan(space, 0, kCountedExactly, [&live](std::string_view, const Entry&) { ++live; });
  if (!end.ok()) return end.status();
  if (*end == kSlots || *end == 0) return live;
  // The names of the slots seen, times as many as there are: they are spread evenly.
  return static_cast<uint64_t>(static_cast<double>(live) * kSlots / *end);
}

void RocksKeyspace::Mark() {
  records_.Mark();
  flushed_at_mark_ = flushed_.size();
}

void RocksKeyspace::GoBack() {
  records_.GoBack();
  for (; flushed_.size() > flushed_at_mark_; flushed_.pop_back()) TakeBack(flushed_.back());
}

bool RocksKeyspace::Grows() const {
  bool grows = false;
  records_.VisitChanged(
      [&grows](const std::string&, const TurnCache::Record& to) { grows |= to.has_value(); });
  return grows;
}

void RocksKeyspace::FillBatch() {
  rocksdb::ColumnFamilyHandle* const family = db_->handle(Family::kKeyspace);
  batch_.Clear();
  records_.VisitChanged([&](const std::string& key, const TurnCache::Record& to) {
    if (to.has_value()) {
      batch_.Put(family, key, *to);
    } else {
      batch_.Delete(family, key);
    }
  });
  for (const Flushed& flushed : flushed_) {
    SpaceState left = spaces_[flushed.space];
    SetGeneration(left, flushed.left);
    batch_.DeleteRange(family, left.prefix, EndOf(left.prefix));
    std::string meta = Encoded(ValueType::kString, kNeverMs, "");
    ByteWriter(&meta).Fixed(spaces_[flushed.space].generation);
    batch_.Put(family, left.meta_key, meta);
  }
}

Result<uint64_t> RocksKeyspace::Commit() {
  records_.ForgetMark();
  if (records_.IsUnchanged() && flushed_.empty()) {
    records_.Committed();
    return db_->LatestSequence();
  }
  if (gate_->parked() || (space_low_->load(std::memory_order_relaxed) && Grows())) {
    Abandon();
    return Status::Full("write: the disk is full");
  }
  FillBatch();
  const Status written = db_->Write(&batch_);
  if (written.ok()) {
    records_.Committed();
    flushed_.clear();
    return db_->LatestSequence();
  }
  if (written.fault() == Fault::kUnavailable) return written;
  if (written.fault() != Fault::kNoSpace) gate_->Fail(written);
  Abandon();
  return written;
}

void RocksKeyspace::Abandon() {
  for (; !flushed_.empty(); flushed_.pop_back()) TakeBack(flushed_.back());
  records_.Abandon();
}

}  // namespace

Status CheckStoredValue(std::string_view value) { return Decoded(value).status(); }

std::unique_ptr<Keyspace> RocksStore::NewKeyspace() {
  return std::make_unique<RocksKeyspace>(parts_->db.get(), parts_->gate.get(), &parts_->space_low,
                                         parts_->clock, KeptMax(parts_->options.footprint));
}

}  // namespace onced

// SPDX-License-Identifier: MIT
// Keyspace: values under names, in numbered databases of tenants, with times at which they die. It
// is what a door for caches and locks keeps its keys in; claims and results are elsewhere
// (ledger.h).
//
// Changes gather in a turn: reads see them at once, the disk sees them together, in one write, when
// the turn is committed, or not at all. Every value carries its time of death, and Load judges it
// for everybody: what is dead is absent, whether the TTL filter has come by or not.
//
// Threads: one, its owner's.
// Invariants: 1. One name, one record. 2. What a turn has changed is seen by its own reads only
// until Commit has returned a number, and never again after a failed one. 3. A flushed database is
// empty at once, however much it held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/record.h"
#include "engine/status.h"

namespace onced {

// What a value is. The bytes of all but a string are their owner's business.
enum class ValueType : uint8_t { kString = 1, kHash, kSet, kSortedSet, kList };

struct Entry {
  ValueType type = ValueType::kString;
  int64_t dead_at_ms = kNeverMs;
  std::string_view bytes;  // until the next call
};

class Keyspace {
 public:
  static constexpr size_t kNameMax = size_t{64} << 10;
  // Slots that names are spread over, which is what Scan counts in.
  static constexpr uint32_t kSlots = 1U << 24;

  // One database of one tenant. Stays valid.
  using Space = uint32_t;

  virtual ~Keyspace() = default;

  // REQUIRES: `tenant` is one of a Key; `number` < 256.
  virtual Result<Space> Open(std::string_view tenant, uint8_t number) = 0;

  // What Load and Scan take for now. Stays until it is set again.
  virtual void SetNow(int64_t now_ms) = 0;
  virtual int64_t ClockMs() const = 0;

  // nullptr: there is none that lives. Valid until the next call.
  virtual Result<const Entry*> Load(Space space, std::string_view name) = 0;
  virtual void Put(Space space, std::string_view name, ValueType type, int64_t dead_at_ms,
                   std::string_view bytes) = 0;
  // Also good when there is none.
  virtual void Erase(Space space, std::string_view name) = 0;
  virtual void Flush(Space space) = 0;

  // Visits what lives from slot `from` on, whole slots at a time, until at least `count` records,
  // dead ones too, have been looked at; returns the slot to go on from, kSlots at the end.
  using Visit = std::function<void(std::string_view name, const Entry& entry)>;
  virtual Result<uint32_t> Scan(Space space, uint32_t from, size_t count, const Visit& visit) = 0;
  // Exact to ten thousand; above that estimated from them, since names are spread over the slots
  // evenly.
  virtual Result<uint64_t> Count(Space space) = 0;

  // A place in the turn to go back to. One at a time.
  virtual void Mark() = 0;
  virtual void GoBack() = 0;  // what was changed since is undone
  virtual void ForgetMark() = 0;

  virtual size_t pending_bytes() const = 0;
  // Ends the turn. The number to wait for: of the write, or of the latest that a read may have
  // seen. After a failure nothing of the turn remains; whether it was written is unknown, but for
  // Unavailable and Full, when it was not: Unavailable keeps it, to be committed again.
  virtual Result<uint64_t> Commit() = 0;
  virtual void Abandon() = 0;  // nothing of the turn remains
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Store: what the ledger needs of storage and no more. It runs a decision on a key as one step,
// keeps what was decided, and says by which sequence number an answer must wait to be durable.
//
// It knows nothing of claims and results: Decide() (transition.h) does. RocksStore is the store of
// one machine, PostgresStore the one that many processes share; neither needs a state machine.
//
// Threads: every call from any thread. None waits for a disk sync of this process; that is the
// gate's work, by the sequence numbers that the calls return.
// Invariants: 1. Between the record a Decider is shown and the write of what it decides, nobody
// else changes that key. 2. Record, audit row and effects of one call are written together or not
// at all. 3. A call that returns kIoError or kNoSpace may have written; any other error wrote
// nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/key.h"
#include "engine/status.h"
#include "engine/stripes.h"
#include "engine/transition.h"

namespace onced {

// What a read saw. `version` lets a later Update use it instead of reading again.
struct Found {
  std::optional<Record> record;  // may be dead
  int64_t now_ms = 0;
  uint64_t sequence = 0;
  uint64_t version = Stripes::kPending;  // kPending: of no use as a guess
};

struct Applied {
  Decision decision;
  int64_t now_ms = 0;
  uint64_t sequence = 0;
  bool waiting = false;          // the waiter given now stands in line
  bool result_left_out = false;  // UpdateAll: the results were too large together
};

using Decider = std::function<Decision(std::optional<Record>, const Moment&)>;

// What a command needs of the store besides the key.
struct Needs {
  bool fresh_fence = false;
  bool space = false;  // starts something new: refused with kFull while the disk is nearly full
};

struct UpdateStep {
  const Key* key;
  Needs needs;
  Decider decide;
};

// The effects that Execute lets a function compute: reads and writes on the keys named in the call,
// seen by its own later reads, written with the record or not at all.
class Batch {
 public:
  virtual ~Batch() = default;
  // Each REQUIRES: `key` is one of those named in the call.
  virtual Result<std::optional<std::string>> Get(const Key& key) = 0;
  virtual void Put(const Key& key, std::string value) = 0;
  virtual void Delete(const Key& key) = 0;
};
using EffectDecider =
    std::function<Result<Decision>(std::optional<Record>, const Moment&, Batch& batch)>;

struct ListQuery {
  std::string tenant;
  std::string scope;
  bool scope_is_prefix = false;      // every scope that begins so: by their lengths, then in order
  std::string prefix;                // of the key
  std::optional<State> state;        // absent: any
  std::optional<std::string> after;  // a page's `next`
  size_t limit = 100;
};
template <typename Row>
struct Page {
  std::vector<Row> rows;
  std::optional<std::string> next;  // give it as `after`; absent: that was all
  int64_t now_ms = 0;
  uint64_t sequence = 0;
};
struct ListedRecord {
  Key key;
  Record record;  // without its result, of which a page would hold too many
  std::optional<size_t> result_bytes;
};
struct ListedEffect {
  Key key;
  std::string value;
};

struct LiveCount {
  uint64_t live = 0;
  std::optional<std::string> next;  // give it as `after`; absent: that was all
};

class Store {
 public:
  virtual ~Store() = default;

  // Whether a look beforehand spares more than it costs; otherwise ask at once, by Update.
  virtual bool ReadIsCheap() const { return true; }

  // Whether it is behind a network: a call, and the end of a Waiter, may take round trips, and must
  // not be made where others are held up by it.
  virtual bool IsRemote() const { return false; }

  // Without a lock.
  virtual Result<Found> Read(const Key& key) = 0;

  // Reads, decides, writes, in one step. `guess` spares the read when it still holds; `waiter`, if
  // any, is put in line in the same step when the decision is kInFlight.
  virtual Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                                 std::optional<Found> guess, const Waiter* waiter) = 0;

  // Several keys, one step and one write; a later step sees what earlier ones decided. It
  // shows the results that it replays, kBatchResultBytesMax in all, and no others.
  virtual Result<std::vector<Applied>> UpdateAll(std::span<const UpdateStep> steps) = 0;

  // As Update, together with the effects on `effects` (at most 64 keys).
  virtual Result<Applied> UpdateWithEffects(const Key& key, Needs needs,
                                            std::span<const Key> effects,
                                            const EffectDecider& decide) = 0;

  // Dead records are left out. Looks at 10,000 rows a call at most; a page may be short or empty
  // and still have a `next`.
  virtual Result<Page<ListedRecord>> List(const ListQuery& query) = 0;
  // How many live records a tenant has, in all its scopes; a page of 10,000 rows a call, from the
  // first when `after` is empty.
  virtual Result<LiveCount> CountLive(std::string_view tenant, const std::string& after) = 0;
  virtual Result<Page<Run>> Runs(const Key& key) = 0;
  virtual Result<Page<std::string>> ReadEffect(const Key& key) = 0;  // no row or one
  virtual Result<Page<ListedEffect>> ListEffects(const ListQuery& query) = 0;

  virtual std::unique_ptr<Waiter> NewWaiter(const Key& key, bool claims,
                                            std::function<void()> wake) = 0;

  // See CommitGate. IsDurable: WhenDurable would call back at once.
  virtual bool IsDurable(uint64_t sequence) = 0;
  virtual void WhenDurable(uint64_t sequence, std::function<void()> pass) = 0;
  virtual Status WaitDurable(uint64_t sequence) = 0;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Stripes: the in-process mutexes that make read-decide-write on a key one step, and the lines of
// those who wait for a key.
//
// A key belongs to the stripe its hash picks. What a stripe protects is a record in the store,
// which no annotation can name; so holding is shown by a witness: only a KeyLock takes stripes, and
// whoever reads, decides and writes asks for the KeyLock and checks that it covers the key.
//
// What stripes do NOT give: anything across processes. The lock on the data folder is the guard
// there.
//
// Threads: all of it, from any thread. Order: a KeyLock takes its stripes in ascending index, and
// while one is held nothing else is waited for and nothing outside the engine is called; the wakes
// it owes are paid after it has let go.
// Invariants: 1. A waiter is in at most one line, and is called out of it at most once per
// enrolment.
// 2. The baton (the right of the oldest waiter to ask first after a release or a lapse) is never
// lost: who has it claims, or passes it on, also by going away. 3. Nobody in line relies on a lease
// that ends later than the one there is: whoever does is called when the shorter one is written,
// and keeps its place. So a key whose holder is gone is asked for when its lease ends, by whoever
// is then the oldest.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/key.h"
#include "engine/mutex.h"
#include "engine/transition.h"

namespace onced {

class KeyLock;
class Stripes;
struct Seat;  // a place in a line; shared by the waiter and the line

struct WaiterLimits {
  size_t in_all = 10'000;
  size_t per_key = 1'000;
};

// One caller's right to wait for one key. Give the same Waiter to every ask about that key; while
// the answer is "in flight" it stands in the key's line and `wake` is called when there is reason
// to ask again. Destroying it leaves the line.
class Waiter {
 public:
  // `claims`: it means to claim the key, so it may be handed the baton. A watcher (false) only
  // wants to see the run end.
  // `wake` runs on the thread that ended the run, with no lock held: it must be quick, must not
  // throw, and may still run once while this Waiter is being destroyed on another thread, so what
  // it touches it must own.
  Waiter(Stripes* stripes, const Key& key, bool claims, std::function<void()> wake);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

 private:
  friend class Stripes;
  Stripes* const stripes_;
  const std::shared_ptr<Seat> seat_;
};

class Stripes {
 public:
  // A write to the stripe is under way: its sequence is not known yet.
  static constexpr uint64_t kPending = UINT64_MAX;

  // REQUIRES: `count` is a power of two.
  Stripes(size_t count, WaiterLimits limits);
  ~Stripes();

  // The sequence number of the stripe's newest write, or kPending. A reader without the lock loads
  // it after its read, and so learns what its answer must wait for; loaded before a read, an
  // unchanged value under the lock later proves that the read still holds.
  uint64_t Sequence(const Key& key) const;
  // REQUIRES: the lock covers every key; a writer sets kPending before and the number after.
  void SetSequence(const KeyLock& lock, uint64_t sequence);

  // Whether nobody older than `waiter` has a right to the key. True without a waiter, and for one
  // that does not stand in line.
  bool FirstInLine(const KeyLock& lock, const Key& key, const Waiter* waiter);

  // Notes who must be called because of a change of the key; they are when `lock` has let go.
  void Settle(KeyLock& lock, const Key& key, const Decision& change);

  // After an ask by `waiter` and what it came to, settled: if the key is in flight, it is put in
  // line, where it keeps its seniority; otherwise it leaves the line. A baton that it held is spent
  // if it now runs, or watches somebody run, and is passed on otherwise.
  // Returns whether it stands in line: false when a limit forbids it.
  bool Seated(KeyLock& lock, const Waiter& waiter, const Decision& came_to);
  // After an ask that failed, or for good: it leaves the line, and passes on what it holds.
  void Left(KeyLock& lock, const Waiter& waiter);

  size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

 private:
  friend class KeyLock;
  friend class Waiter;
  struct Line {
    std::map<uint64_t, std::shared_ptr<Seat>> seats;  // by ticket: the oldest first
    int64_t relied_on_ms = 0;  // no claimer in it relies on a lease that ends later
  };
  struct alignas(64) Stripe {
    Mutex mutex;
    std::atomic<uint64_t> sequence{0};
    std::unique_ptr<std::unordered_map<std::string, Line>> lines;  // made by the first waiter
  };

  size_t IndexOf(const Key& key) const;
  Stripe& StripeOf(const KeyLock& lock, const Key& key);
  Line* LineOf(Stripe& stripe, const Key& key);
  void WakeSeat(KeyLock& lock, Line& line, std::shared_ptr<Seat> seat, bool baton);
  void WakeWithoutBaton(KeyLock& lock, Stripe& stripe, const Key& key, bool claimers);
  void PassBaton(KeyLock& lock, Stripe& stripe, const Key& key);
  void TellOfLease(KeyLock& lock, Stripe& stripe, const Key& key, int64_t until_ms);
  bool Enter(Stripe& stripe, const std::shared_ptr<Seat>& seat, int64_t lease_until_ms);
  void Leave(Stripe& stripe, Seat& seat);

  const size_t mask_;
  const WaiterLimits limits_;
  const std::unique_ptr<Stripe[]> stripes_;
  std::atomic<size_t> waiting_{0};
  std::atomic<uint64_t> next_ticket_{1};
};

// The proof of holding the stripes of one or more keys, from construction to destruction. On the
// way out it first lets go, then wakes whom Settle named.
class KeyLock {
 public:
  // Waits for nobody: who finds the stripe taken has a KeyLock that covers nothing.
  struct IfFree {};

  KeyLock(Stripes& stripes, const Key& key);
  KeyLock(Stripes& stripes, const Key& key, IfFree if_free);
  KeyLock(Stripes& stripes, std::span<const Key* const> keys);  // duplicates are fine
  ~KeyLock();
  KeyLock(const KeyLock&) = delete;
  KeyLock& operator=(const KeyLock&) = delete;

  bool Covers(const Key& key) const;

 private:
  friend class Stripes;
  void Take();

  Stripes& stripes_;
  size_t single_ = 0;
  bool held_ = true;
  std::vector<size_t> many_;  // ascending and unique; empty for one key
  std::vector<std::shared_ptr<Seat>> to_wake_;
};

}  // namespace onced

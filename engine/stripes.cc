// SPDX-License-Identifier: MIT
#include "engine/stripes.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace onced {

struct Seat {
  Seat(Key k, bool c, std::function<void()> w) : key(std::move(k)), claims(c), wake(std::move(w)) {}

  const Key key;
  const bool claims;
  const std::function<void()> wake;
  // Under the mutex of the key's stripe:
  uint64_t ticket = 0;  // 0: has never stood in line
  bool in_line = false;
  bool baton = false;
  int64_t relies_on_ms = 0;  // the end of the lease it was told of: until then it need not ask
};

Waiter::Waiter(Stripes* stripes, const Key& key, bool claims, std::function<void()> wake)
    : stripes_(stripes), seat_(std::make_shared<Seat>(key, claims, std::move(wake))) {}

Waiter::~Waiter() {
  KeyLock lock(*stripes_, seat_->key);
  stripes_->Left(lock, *this);
}

Stripes::Stripes(size_t count, WaiterLimits limits)
    : mask_(count - 1), limits_(limits), stripes_(new Stripe[count]) {
  ONCED_CHECK(count > 0 && (count & (count - 1)) == 0);
}

Stripes::~Stripes() = default;

size_t Stripes::IndexOf(const Key& key) const {
  return std::hash<std::string_view>()(key.encoded()) & mask_;
}

Stripes::Stripe& Stripes::StripeOf(const KeyLock& lock, const Key& key) {
  ONCED_CHECK(lock.Covers(key));
  return stripes_[IndexOf(key)];
}

uint64_t Stripes::Sequence(const Key& key) const {
  return stripes_[IndexOf(key)].sequence.load(std::memory_order_acquire);
}

void Stripes::SetSequence(const KeyLock& lock, uint64_t sequence) {
  const auto store = [&](size_t index) {
    stripes_[index].sequence.store(sequence, std::memory_order_seq_cst);
  };
  if (lock.many_.empty()) {
    store(lock.single_);
  } else {
    std::for_each(lock.many_.begin(), lock.many_.end(), store);
  }
}

Stripes::Line* Stripes::LineOf(Stripe& stripe, const Key& key) {
  if (stripe.lines == nullptr) return nullptr;
  const auto found = stripe.lines->find(key.encoded());
  return found == stripe.lines->end() ? nullptr : &found->second;
}

bool Stripes::FirstInLine(const KeyLock& lock, const Key& key, const Waiter* waiter) {
  if (waiter == nullptr) return true;
  const Seat& seat = *waiter->seat_;
  Line* line = LineOf(StripeOf(lock, key), key);
  if (line == nullptr || !seat.in_line) return true;
  return std::none_of(line->seats.begin(), line->seats.lower_bound(seat.ticket),
                      [](const auto& older) { return older.second->claims; });
}

void Stripes::WakeSeat(KeyLock& lock, Line& line, std::shared_ptr<Seat> seat, bool baton) {
  seat->in_line = false;
  seat->baton = baton;
  line.seats.erase(seat->ticket);
  lock.to_wake_.push_back(std::move(seat));
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

void Stripes::PassBaton(KeyLock& lock, Stripe& stripe, const Key& key) {
  Line* line = LineOf(stripe, key);
  if (line == nullptr) return;
  const auto oldest = std::find_if(line->seats.begin(), line->seats.end(),
                                   [](const auto& entry) { return entry.second->claims; });
  if (oldest != line->seats.end()) WakeSeat(lock, *line, oldest->second, /*baton=*/true);
  if (line->seats.empty()) stripe.lines->erase(key.encoded());
}

void Stripes::Settle(KeyLock& lock, const Key& key, const Decision& change) {
  Stripe& stripe = StripeOf(lock, key);
  if (change.write == Write::kPut && change.record->state == State::kInFlight) {
    TellOfLease(lock, stripe, key, change.record->lease_until_ms);
  }
  switch (change.wake) {
    case Wake::kNobody:
      return;
    case Wake::kOldest:
      PassBaton(lock, stripe, key);
      return;
    case Wake::kFreed:
      WakeWithoutBaton(lock, stripe, key, /*claimers=*/false);
      PassBaton(lock, stripe, key);
      return;
    case Wake::kAll:
      WakeWithoutBaton(lock, stripe, key, /*claimers=*/true);
      return;
  }
}

void Stripes::WakeWithoutBaton(KeyLock& lock, Stripe& stripe, const Key& key, bool claimers) {
  Line* line = LineOf(stripe, key);
  if (line == nullptr) return;
  for (auto at = line->seats.begin(); at != line->seats.end();) {
    const auto next = std::next(at);
    if (claimers || !at->second->claims) WakeSeat(lock, *line, at->second, /*baton=*/false);
    at = next;
  }
  if (line->seats.empty()) stripe.lines->erase(key.encoded());
}

void Stripes::TellOfLease(KeyLock& lock, Stripe& stripe, const Key& key, int64_t until_ms) {
  Line* line = LineOf(stripe, key);
  // Leases mostly end later than those before, so the line is hardly ever walked.
  if (line == nullptr || line->relied_on_ms <= until_ms) return;
  line->relied_on_ms = until_ms;
  for (const auto& [ticket, seat] : line->seats) {
    if (!seat->claims || seat->relies_on_ms <= until_ms) continue;
    seat->relies_on_ms = until_ms;
    lock.to_wake_.push_back(seat);  // stays in line: it is called only so that it looks
  }
}

bool Stripes::Enter(Stripe& stripe, const std::shared_ptr<Seat>& seat, int64_t lease_until_ms) {
  if (!seat->in_line && waiting_.load(std::memory_order_relaxed) >= limits_.in_all) return false;
  if (stripe.lines == nullptr) {
    stripe.lines = std::make_unique<std::unordered_map<std::string, Line>>();
  }
  Line& line = (*stripe.lines)[seat->key.encoded()];
  if (!seat->in_line) {
    if (line.seats.size() >= limits_.per_key) return false;  // so the line is not empty, and stays
    if (seat->ticket == 0) seat->ticket = next_ticket_.fetch_add(1, std::memory_order_relaxed);
    line.seats.emplace(seat->ticket, seat);
    seat->in_line = true;
    waiting_.fetch_add(1, std::memory_order_relaxed);
  }
  seat->relies_on_ms = lease_until_ms;
  if (seat->claims) line.relied_on_ms = std::max(line.relied_on_ms, lease_until_ms);
  return true;
}

void Stripes::Leave(Stripe& stripe, Seat& seat) {
  if (!seat.in_line) return;
  seat.in_line = false;
  Line* line = LineOf(stripe, seat.key);
  ONCED_CHECK(line != nullptr && line->seats.erase(seat.ticket) == 1);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  if (line->seats.empty()) stripe.lines->erase(seat.key.encoded());
}

bool Stripes::Seated(KeyLock& lock, const Waiter& waiter, const Decision& came_to) {
  if (came_to.outcome == Outcome::kInFlight) {
    waiter.seat_->baton = false;  // spent: it watches somebody run, or the oldest has been called
    return Enter(StripeOf(lock, waiter.seat_->key), waiter.seat_, came_to.record->lease_until_ms);
  }
  if (came_to.outcome == Outcome::kClaimed) waiter.seat_->baton = false;
  Left(lock, waiter);
  return false;
}

void Stripes::Left(KeyLock& lock, const Waiter& waiter) {
  Seat& seat = *waiter.seat_;
  Stripe& stripe = StripeOf(lock, seat.key);
  Leave(stripe, seat);
  if (std::exchange(seat.baton, false)) PassBaton(lock, stripe, seat.key);
}

KeyLock::KeyLock(Stripes& stripes, const Key& key)
    : stripes_(stripes), single_(stripes.IndexOf(key)) {
  Take();
}

KeyLock::KeyLock(Stripes& stripes, const Key& key, IfFree /*if_free*/) NO_THREAD_SAFETY_ANALYSIS
    : stripes_(stripes),
      single_(stripes.IndexOf(key)),
      held_(stripes.stripes_[single_].mutex.TryLock()) {}

KeyLock::KeyLock(Stripes& stripes, std::span<const Key* const> keys) : stripes_(stripes) {
  ONCED_CHECK(!keys.empty());
  many_.reserve(keys.size());
  for (const Key* key : keys) many_.push_back(stripes.IndexOf(*key));
  // Everybody takes stripes in ascending order, so no two can wait for each other.
  std::sort(many_.begin(), many_.end());
  many_.erase(std::unique(many_.begin(), many_.end()), many_.end());
  Take();
}

void KeyLock::Take() NO_THREAD_SAFETY_ANALYSIS {
  if (many_.empty()) {
    stripes_.stripes_[single_].mutex.Lock();
  } else {
    for (const size_t index : many_) stripes_.stripes_[index].mutex.Lock();
  }
}

KeyLock::~KeyLock() NO_THREAD_SAFETY_ANALYSIS {
  if (!held_) return;
  if (many_.empty()) {
    stripes_.stripes_[single_].mutex.Unlock();
  } else {
    for (const size_t index : many_) stripes_.stripes_[index].mutex.Unlock();
  }
  for (const std::shared_ptr<Seat>& seat : to_wake_) seat->wake();
}

bool KeyLock::Covers(const Key& key) const {
  if (!held_) return false;
  const size_t index = stripes_.IndexOf(key);
  return many_.empty() ? index == single_ : std::binary_search(many_.begin(), many_.end(), index);
}

}  // namespace onced

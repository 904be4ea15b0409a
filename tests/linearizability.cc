// SPDX-License-Identifier: MIT
#include "tests/linearizability.h"

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <utility>

namespace onced {
namespace {

constexpr size_t kShownMost = 24;

struct Event {
  int64_t at_ns;
  bool returns;
  const Call* call;
};

// One way in which all that ended so far can be: the key's state, and which of the open calls have
// been done already.
struct Way {
  KeyState state;
  std::vector<uint64_t> done;        // a bit for each slot
  const Call* changed_by = nullptr;  // for people; makes no difference

  bool Has(size_t slot) const { return (done[slot / 64] >> (slot % 64) & 1) != 0; }
  void Put(size_t slot) { done[slot / 64] |= uint64_t{1} << (slot % 64); }
  void Drop(size_t slot) { done[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }
  friend bool operator==(const Way& a, const Way& b) {
    return a.state == b.state && a.done == b.done;
  }
};

struct HashOfWay {
  size_t operator()(const Way& way) const {
    uint64_t hash = way.state.fence * 31 + way.state.newest + static_cast<uint64_t>(way.state.kind);
    hash = hash * 31 + static_cast<uint64_t>(way.state.since_ms) + way.state.result;
    for (const uint64_t word : way.done) hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15;
    return hash ^ (hash >> 32);
  }
};
using Ways = std::unordered_set<Way, HashOfWay>;

// The calls of one key, in the order of their beginnings and ends.
class KeyCheck {
 public:
  KeyCheck(const std::vector<const Call*>& calls, const Slack& slack) : slack_(slack) {
    for (const Call* call : calls) {
      events_.push_back({call->called_ns, false, call});
      if (call->returned_ns != kForever) events_.push_back({call->returned_ns, true, call});
    }
    // At one and the same moment they overlap.
    std::stable_sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) {
      return a.at_ns != b.at_ns ? a.at_ns < b.at_ns : !a.returns && b.returns;
    });
    ways_.insert(Way{});
  }

  // False: refused, or undecided.
  bool Run(Verdict* verdict) {
    for (const Event& event : events_) {
      if (!event.returns) {
        Begins(event.call);
        continue;
      }
      const bool decided = Ends(event.call);
      verdict->states_most = std::max(verdict->states_most, ways_.size());
      if (decided && !ways_.empty()) continue;
      verdict->undecided = !decided;
      verdict->key = event.call->asked.key;
      verdict->why = decided ? Explain(event.call)
                             : "more than " + std::to_string(kStatesMax) + " states at a time";
      return false;
    }
    return true;
  }

 private:
  size_t SlotFor(const Call* call) {
    for (size_t slot = first_free_; slot < open_.size(); ++slot) {
      if (open_[slot] != nullptr) continue;
      open_[slot] = call;
      first_free_ = slot + 1;
      return slot;
    }
    open_.push_back(call);
    first_free_ = open_.size();
    return open_.size() - 1;
  }
  size_t SlotOf(const Call* call) const {
    return static_cast<size_t>(std::find(open_.begin(), open_.end(), call) - open_.begin());
  }

  // An answer that changes nothing may as well be given at once.
  bool IsIdle(const KeyState& state, const Call& call) const {
    if (!call.answered()) return false;
    const std::vector<KeyState> next = After(state, call, call.returned_ms, slack_);
    return std::find(next.begin(), next.end(), state) != next.end();
  }
  void DoIdle(Way* way) const {
    for (size_t slot = 0; slot < open_.size(); ++slot) {
      if (open_[slot] == nullptr || way->Has(slot)) continue;
      if (IsIdle(way->state, *open_[slot])) way->Put(slot);
    }
  }

  void Begins(const Call* call) {
    const size_t slot = SlotFor(call);
    Ways next;
    while (!ways_.empty()) {
      Way way = std::move(ways_.extract(ways_.begin()).value());
      way.done.resize(open_.size() / 64 + 1);
      if (IsIdle(way.state, *call)) way.Put(slot);
      next.insert(std::move(way));
    }
    ways_ = std::move(next);
  }

  // Everything that can be done before `last` ends, up to the step that does `last`.
  // False: too many.
  bool Ends(const Call* last) {
    const size_t last_slot = SlotOf(last);
    Ways ended, seen;
    std::vector<Way> left(ways_.begin(), ways_.end());
    while (!left.empty()) {
      Way way = std::move(left.back());
      left.pop_back();
      const bool done = way.Has(last_slot);
      if (done || !last->answered()) {
        Way kept = way;
        kept.Drop(last_slot);
        ended.insert(std::move(kept));
      }
      if (done) continue;
      for (size_t slot = 0; slot < open_.size(); ++slot) {
        if (open_[slot] == nullptr || way.Has(slot)) continue;
        Advance(way, slot, last->returned_ms, &seen, &left);
      }
      if (seen.size() > kStatesMax || ended.size() > kStatesMax) return false;
    }
    open_[last_slot] = nullptr;
    first_free_ = std::min(first_free_, last_slot);
    before_ = std::exchange(ways_, std::move(ended));
    return true;
  }

  void Advance(const Way& way, size_t slot, int64_t by_ms, Ways* seen,
               std::vector<Way>* left) const {
    for (KeyState& state : After(way.state, *open_[slot], by_ms, slack_)) {
      if (state == way.state) continue;
      Way next{.state = std::move(state), .done = way.done, .changed_by = open_[slot]};
      next.Put(slot);
      DoIdle(&next);
      if (seen->insert(next).second) left->push_back(std::move(next));
    }
  }

  std::string Explain(const Call* last) const {
    std::string why = "cannot be: " + Text(*last) + "\nfor by then the key was";
    int64_t from_ns = last->called_ns;
    size_t shown = 0;
    for (const Way& way : before_) {
      if (++shown <= 4) why += "\n  " + Text(way.state);
      if (way.changed_by != nullptr) from_ns = std::min(from_ns, way.changed_by->called_ns);
    }
    why += "\nand no order of these, the calls since, allows it:";
    shown = 0;
    for (const Event& event : events_) {
      const Call& call = *event.call;
      if (event.returns || call.called_ns > last->returned_ns) continue;
      const bool within = call.returned_ns >= from_ns && (call.answered() || Matters(call));
      if (within && ++shown <= kShownMost) why += "\n  " + Text(call);
    }
    if (shown > kShownMost) why += "\n  and " + std::to_string(shown - kShownMost) + " more";
    return why;
  }
  static bool Matters(const Call& call) { return call.asked.what != Asked::kFind; }

  const Slack slack_;
  std::vector<Event> events_;
  std::vector<const Call*> open_;
  size_t first_free_ = 0;
  Ways ways_;
  Ways before_;  // the last end; for people
};

}  // namespace

Verdict CheckHistory(std::vector<Call> calls, const Slack& slack) {
  Verdict verdict{.legal = true};
  verdict.decided = static_cast<size_t>(
      std::count_if(calls.begin(), calls.end(), [](const Call& call) { return call.decided(); }));
  std::stable_sort(calls.begin(), calls.end(), [](const Call& a, const Call& b) {
    return a.asked.key != b.asked.key ? a.asked.key < b.asked.key : a.called_ns < b.called_ns;
  });
  for (size_t i = 0; i < calls.size() && verdict.legal;) {
    std::vector<const Call*> of_key;
    const std::string& key = calls[i].asked.key;
    for (; i < calls.size() && calls[i].asked.key == key; ++i) {
      // What a find was not told is nothing at all; and what was refused has done nothing: if it
      // had, somebody's answer could not be.
      const bool refused = calls[i].told.what == Told::kRefused;
      const bool found_nothing = !calls[i].answered() && calls[i].asked.what == Asked::kFind;
      if (!refused && !found_nothing) of_key.push_back(&calls[i]);
    }
    ++verdict.keys;
    verdict.legal = KeyCheck(of_key, slack).Run(&verdict);
  }
  return verdict;
}

}  // namespace onced

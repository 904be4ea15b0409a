// SPDX-License-Identifier: MIT
#include "tests/linearizability.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace onced {
namespace {

using Kind = Call::Kind;
using Told = Call::Told;

// Clocks in milliseconds: a lease may end so much before it is over.
constexpr int64_t kGrainNs = 2'000'000;

struct KeyState {
  enum class Is : uint8_t { kAbsent, kInFlight, kCompleted } is = Is::kAbsent;
  uint64_t fence = 0;  // 0, in flight: nobody was told; above `newest`
  uint64_t fingerprint = 0;
  uint64_t result = 0;
  uint64_t newest = 0;               // fence
  int64_t lapses_from = 0;           // the lease may have lapsed
  int64_t lapsed_by = Call::kNever;  // and must have

  auto Tied() const {
    return std::tie(is, fence, fingerprint, result, newest, lapses_from, lapsed_by);
  }
  friend bool operator<(const KeyState& a, const KeyState& b) { return a.Tied() < b.Tied(); }
};

bool MayHaveLapsed(const KeyState& state, const Call& call) {
  return state.is == KeyState::Is::kInFlight && call.ended_ns >= state.lapses_from;
}
bool MustHaveLapsed(const KeyState& state, const Call& call) {
  return state.is == KeyState::Is::kInFlight && call.begun_ns > state.lapsed_by;
}

void Lease(KeyState& state, const Call& call) {
  state.lapses_from = call.begun_ns + call.lease_ns - kGrainNs;
  state.lapsed_by =
      call.ended_ns == Call::kNever ? Call::kNever : call.ended_ns + call.lease_ns + kSlackNs;
}

// A record that nobody was told the fence of is now seen with it.
bool ShowsFence(KeyState& state, uint64_t fence) {
  if (state.fence == 0 && fence > state.newest) {
    state.fence = state.newest = fence;
    return true;
  }
  return state.fence == fence;
}

bool Claims(KeyState& state, const Call& call) {
  const bool free = state.is == KeyState::Is::kAbsent ||
                    (MayHaveLapsed(state, call) && state.fingerprint == call.fingerprint);
  switch (call.told) {
    case Told::kNothing:
    case Told::kDone:
      if (!free || (call.told == Told::kDone && call.fence <= state.newest)) return false;
      state.is = KeyState::Is::kInFlight;
      state.fence = call.fence;  // 0 where it was not told
      state.fingerprint = call.fingerprint;
      state.newest = std::max(state.newest, call.fence);
      Lease(state, call);
      return true;
    case Told::kInFlight:
      return state.is == KeyState::Is::kInFlight && state.fingerprint == call.fingerprint &&
             !MustHaveLapsed(state, call);
    case Told::kReplay:
      return state.is == KeyState::Is::kCompleted && state.fingerprint == call.fingerprint &&
             state.result == call.result;
    case Told::kConflict:
      return state.is != KeyState::Is::kAbsent && state.fingerprint != call.fingerprint;
    default:
      return false;
  }
}

// The owner's calls: the fence is all that they show.
bool EndsOrRenews(KeyState& state, const Call& call) {
  const bool owns = state.is == KeyState::Is::kInFlight && state.fence == call.fence;
  const bool has_ended_so = call.kind == Kind::kComplete && state.is == KeyState::Is::kCompleted &&
                            state.fence == call.fence && state.result == call.result;
  if (call.told == Told::kStale) {
    // To renew or give up what has lapsed may be too late.
    return !has_ended_so && (!owns || (call.kind != Kind::kComplete && MayHaveLapsed(state, call)));
  }
  if (call.told != Told::kDone && call.told != Told::kNothing) return false;
  if (has_ended_so) return true;
  if (!owns) return false;
  if (call.kind == Kind::kRenew) {
    Lease(state, call);
  } else if (call.kind == Kind::kRelease) {
    state.is = KeyState::Is::kAbsent;
  } else {
    state.is = KeyState::Is::kCompleted;
    state.result = call.result;
  }
  return true;
}

bool Finds(KeyState& state, const Call& call) {
  switch (call.told) {
    case Told::kAbsent:
      return state.is == KeyState::Is::kAbsent;
    case Told::kInFlight:
      return state.is == KeyState::Is::kInFlight &&
             (call.fence == 0 || ShowsFence(state, call.fence));
    case Told::kReplay:
      return state.is == KeyState::Is::kCompleted && state.result == call.result;
    default:
      return false;
  }
}

// The state after it; false: it cannot have been told this there.
bool Apply(KeyState& state, const Call& call) {
  switch (call.kind) {
    case Kind::kClaim:
      return Claims(state, call);
    case Kind::kFind:
      return Finds(state, call);
    default:
      return EndsOrRenews(state, call);
  }
}

// Which calls have been put in order. Small: the answered ones but for a few are all up to some
// one, and the unanswered ones that happened are few.
class Placed {
 public:
  void Add(size_t call, bool answered) {
    if (!answered) {
      open_.insert(call);
      return;
    }
    beyond_.insert(call);
    while (!beyond_.empty() && *beyond_.begin() == base_) {
      beyond_.erase(beyond_.begin());
      ++base_;
    }
  }
  friend bool operator<(const Placed& a, const Placed& b) {
    return std::tie(a.base_, a.beyond_, a.open_) < std::tie(b.base_, b.beyond_, b.open_);
  }

 private:
  size_t base_ = 0;  // all answered ones below it
  std::set<size_t> beyond_;
  std::set<size_t> open_;
};

// The beginnings and ends of the calls, in time, as a list that calls are taken out of and put
// back.
class Search {
 public:
  explicit Search(const std::vector<Call>& calls) : calls_(calls), nodes_(2 * calls.size() + 1) {
    std::vector<std::pair<int64_t, size_t>> events;  // even: begun, odd: ended
    for (size_t i = 0; i < calls.size(); ++i) {
      events.emplace_back(calls[i].begun_ns, 2 * i);
      events.emplace_back(calls[i].ended_ns, 2 * i + 1);
      rank_.push_back(calls[i].told != Told::kNothing ? answered_++ : i);
    }
    // Of what happens at the same time the beginnings come first: then it overlaps.
    std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.first, a.second % 2, a.second) <
             std::tuple(b.first, b.second % 2, b.second);
    });
    size_t last = Head();
    for (const auto& [when, event] : events) {
      nodes_[last].next = event;
      nodes_[event].previous = last;
      last = event;
    }
    nodes_[last].next = kEnd;
  }

  // Whether all that were answered can be put in order.
  bool Succeeds() {
    Placed placed;
    KeyState state;
    size_t at = nodes_[Head()].next;
    size_t left = answered_;
    while (left > 0) {
      const size_t call = at / 2;
      if (at % 2 == 0) {
        KeyState after = state;
        if (Apply(after, calls_[call])) {
          const bool answered = calls_[call].told != Told::kNothing;
          Placed more = placed;
          more.Add(rank_[call], answered);
          if (tried_.insert({more, after}).second) {
            // What changes nothing may as well come now as later: then there is no other way to
            // try.
            const bool only_way = answered && !(after < state) && !(state < after);
            taken_.push_back(
                {.call = call, .state = state, .placed = std::move(placed), .only_way = only_way});
            placed = std::move(more);
            state = after;
            left -= answered ? 1 : 0;
            best_ = std::max(best_, taken_.size());
            Take(call);
            at = nodes_[Head()].next;
            continue;
          }
        }
        at = nodes_[at].next;
        continue;
      }
      // It has ended, and could not be put anywhere: something before it is wrong.
      if (best_ == taken_.size()) stuck_ = call;
      bool only_way = true;
      while (only_way) {
        if (taken_.empty()) return false;
        Taken& back = taken_.back();
        state = back.state;
        placed = std::move(back.placed);
        left += calls_[back.call].told != Told::kNothing ? 1 : 0;
        PutBack(back.call);
        at = nodes_[2 * back.call].next;
        only_way = back.only_way;
        taken_.pop_back();
      }
    }
    return true;
  }
  // The call that could not be placed where the search came furthest.
  size_t stuck() const { return stuck_; }

 private:
  static constexpr size_t kEnd = SIZE_MAX;
  struct Node {
    size_t previous = 0;
    size_t next = kEnd;
  };
  struct Taken {
    size_t call;
    KeyState state;  // before it
    Placed placed;
    bool only_way;
  };
  size_t Head() const { return nodes_.size() - 1; }

  void Unlink(size_t node) {
    nodes_[nodes_[node].previous].next = nodes_[node].next;
    if (nodes_[node].next != kEnd) nodes_[nodes_[node].next].previous = nodes_[node].previous;
  }
  void Link(size_t node) {
    nodes_[nodes_[node].previous].next = node;
    if (nodes_[node].next != kEnd) nodes_[nodes_[node].next].previous = node;
  }
  void Take(size_t call) {
    Unlink(2 * call);
    Unlink(2 * call + 1);
  }
  void PutBack(size_t call) {
    Link(2 * call + 1);
    Link(2 * call);
  }

  const std::vector<Call>& calls_;
  std::vector<Node> nodes_;
  size_t answered_ = 0;
  std::vector<size_t> rank_;  // among the answered
  std::set<std::pair<Placed, KeyState>> tried_;
  std::vector<Taken> taken_;
  size_t best_ = 0;
  size_t stuck_ = 0;
};

}  // namespace

std::string Text(const Call& call) {
  constexpr const char* kKinds[] = {"claim", "complete", "renew", "release", "find"};
  constexpr const char* kTold[] = {"nothing",  "done",  "in flight", "completed",
                                   "conflict", "stale", "absent"};
  std::string text = std::string(kKinds[static_cast<size_t>(call.kind)]) + " -> " +
                     kTold[static_cast<size_t>(call.told)] + " fence " +
                     std::to_string(call.fence) + " fingerprint " +
                     std::to_string(call.fingerprint) + " result " + std::to_string(call.result) +
                     " lease " + std::to_string(call.lease_ns / 1'000'000) + " ms, from " +
                     std::to_string(call.begun_ns / 1'000) + " us";
  return call.ended_ns == Call::kNever
             ? text + " on"
             : text + " to " + std::to_string(call.ended_ns / 1'000) + " us";
}

std::optional<std::string> Refuted(std::vector<Call> calls) {
  // What was not answered and changes nothing says nothing.
  std::erase_if(calls, [](const Call& call) {
    return call.told == Told::kNothing && call.kind == Kind::kFind;
  });
  std::sort(calls.begin(), calls.end(),
            [](const Call& a, const Call& b) { return a.begun_ns < b.begun_ns; });
  Search whole(calls);
  if (whole.Succeeds()) return std::nullopt;
  const Call stuck = calls[whole.stuck()];
  std::string why = "cannot be put in order: " + Text(stuck) + "\n  after, or beside:";
  constexpr size_t kShown = 12;
  std::vector<Call> before;
  for (const Call& call : calls) {
    if (call.begun_ns <= stuck.ended_ns) before.push_back(call);
  }
  for (size_t i = before.size() > kShown ? before.size() - kShown : 0; i < before.size(); ++i) {
    why += "\n  " + Text(before[i]);
  }
  return why;
}

}  // namespace onced

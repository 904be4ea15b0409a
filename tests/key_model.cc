// SPDX-License-Identifier: MIT
#include "tests/key_model.h"

#include <algorithm>

namespace onced {
namespace {

using Kind = KeyState::Kind;

int64_t Later(int64_t at_ms, int64_t by_ms) {
  return at_ms > kForever - by_ms ? kForever : at_ms + by_ms;
}
Span Later(Span at, int64_t by_ms) { return {Later(at.from, by_ms), Later(at.to, by_ms)}; }

// One call upon one state: collects what may follow.
class Steps {
 public:
  Steps(const KeyState& state, const Call& call, int64_t by_ms, const Slack& slack)
      : before_(state), asked_(call.asked), told_(call.told), slack_(slack) {
    when_ = {std::max(call.called_ms, state.since_ms), std::min(call.returned_ms, by_ms)};
  }

  std::vector<KeyState> Take() {
    if (before_.kind == Kind::kAbsent) {
      On(before_);
      return std::move(next_);
    }
    if (MayBePast(before_.dead_at)) On(KeyState{.newest = before_.newest});
    if (MayBeBefore(before_.dead_at)) On(before_);
    return std::move(next_);
  }

 private:
  bool MayBePast(Span end) const { return Later(when_.to, slack_.early_ms) >= end.from; }
  bool MayBeBefore(Span end) const { return when_.from < Later(end.to, slack_.late_ms); }

  // The ledger would say `what` and be in `state`.
  void May(Told what, KeyState state) {
    if (told_.what == Told::kNothing) {
      if (state != before_) next_.push_back(std::move(state));
      return;
    }
    if (told_.what == what) next_.push_back(std::move(state));
  }
  // A record that has died is `state` absent: whoever was told so has seen its end.
  void Stays(Told what, const KeyState& state) {
    if (told_.what == what) next_.push_back(state);
  }

  void On(const KeyState& state) {
    switch (asked_.what) {
      case Asked::kClaim:
        return OnClaim(state);
      case Asked::kComplete:
        return OnComplete(state);
      case Asked::kRelease:
        if (!Owns(state)) return Stays(Told::kStale, state);
        return May(Told::kReleased, {.newest = state.newest, .since_ms = when_.from});
      case Asked::kRenew: {
        if (!Owns(state)) return Stays(Told::kStale, state);
        KeyState next = state;
        Lease(&next);
        return May(Told::kRenewed, next);
      }
      case Asked::kFind:
        return OnFind(state);
    }
  }

  bool Owns(const KeyState& state) const {
    return state.kind == Kind::kInFlight &&
           (IsIts(state) || (asked_.hung_up != 0 && asked_.hung_up == state.hung_up));
  }
  bool IsIts(const KeyState& state) const {
    return state.fence != 0 && state.fence == asked_.fence;
  }

  void Lease(KeyState* state) const {
    state->since_ms = when_.from;
    state->lease_until = Later(when_, asked_.lease_ms);
    state->dead_at = Later(state->lease_until, state->retention_ms);
  }

  void Claimed(const KeyState& state) {
    if (told_.what == Told::kClaimed && told_.fence <= state.newest) return;
    KeyState next{.kind = Kind::kInFlight,
                  .unknown_on_lapse = asked_.unknown_on_lapse,
                  .fence = told_.fence,
                  .newest = std::max(state.newest, told_.fence),
                  .fingerprint = asked_.fingerprint,
                  .claim_id = asked_.claim_id,
                  .hung_up = asked_.hung_up,
                  .retention_ms = asked_.retention_ms};
    Lease(&next);
    May(Told::kClaimed, next);
  }

  // The fence it was shown may be the first that anybody hears of it. False: it is another's.
  bool Learns(KeyState* state) const {
    if (told_.fence == 0 || told_.fence == state->fence) return true;
    if (state->fence != 0 || told_.fence <= state->newest) return false;
    state->fence = state->newest = told_.fence;
    return true;
  }

  void OnClaim(const KeyState& state) {
    if (state.kind == Kind::kAbsent) return Claimed(state);
    if (state.fingerprint != asked_.fingerprint) return Stays(Told::kConflict, state);
    if (state.kind == Kind::kCompleted) {
      if (told_.result == state.result) Stays(Told::kReplay, state);
      return;
    }
    if (state.kind == Kind::kUnknown) return Stays(Told::kUnknown, state);
    if (asked_.claim_id != 0 && asked_.claim_id == state.claim_id) {
      KeyState next = state;
      if (Learns(&next)) May(Told::kClaimed, next);
      return;
    }
    if (MayBeBefore(state.lease_until)) Stays(Told::kInFlight, state);
    if (!MayBePast(state.lease_until)) return;
    if (!state.unknown_on_lapse) return Claimed(state);
    KeyState next = state;
    next.kind = Kind::kUnknown;
    next.since_ms = when_.from;
    next.dead_at = {kForever, kForever};
    May(Told::kUnknown, next);
  }

  void OnComplete(const KeyState& state) {
    if (state.kind == Kind::kAbsent || !IsIts(state)) return Stays(Told::kStale, state);
    if (state.kind == Kind::kCompleted) {
      return Stays(state.result == asked_.result ? Told::kCompleted : Told::kStale, state);
    }
    KeyState next = state;
    next.kind = Kind::kCompleted;
    next.since_ms = when_.from;
    next.result = asked_.result;
    if (asked_.retention_ms != 0) next.retention_ms = asked_.retention_ms;
    next.lease_until = {};
    next.dead_at = Later(when_, next.retention_ms);
    May(Told::kCompleted, next);
  }

  void OnFind(const KeyState& state) {
    KeyState next = state;
    if (told_.what != Told::kNothing && !Learns(&next)) return;
    switch (state.kind) {
      case Kind::kAbsent:
        return Stays(Told::kAbsent, state);
      case Kind::kInFlight:
        return May(Told::kFoundInFlight, next);
      case Kind::kCompleted:
        if (told_.result == 0 || told_.result == state.result) May(Told::kFoundCompleted, next);
        return;
      case Kind::kUnknown:
        return May(Told::kFoundUnknown, next);
    }
  }

  const KeyState& before_;
  const Question& asked_;
  const Answer& told_;
  const Slack slack_;
  Span when_;
  std::vector<KeyState> next_;
};

std::string Text(Span span) {
  return std::to_string(span.from) + ".." + (span.to == kForever ? "" : std::to_string(span.to));
}

}  // namespace

std::string Text(const KeyState& state) {
  const std::string fence = state.fence == 0 ? "(never told)" : std::to_string(state.fence);
  switch (state.kind) {
    case Kind::kAbsent:
      return "absent, newest fence " + std::to_string(state.newest);
    case Kind::kInFlight:
      return "in flight, fence " + fence + ", lease until " + Text(state.lease_until) + " ms";
    case Kind::kCompleted:
      return "completed, fence " + fence + ", result " + std::to_string(state.result) + ", until " +
             Text(state.dead_at) + " ms";
    case Kind::kUnknown:
      return "unknown, fence " + fence;
  }
  return "";
}

std::vector<KeyState> After(const KeyState& state, const Call& call, int64_t by_ms,
                            const Slack& slack) {
  return Steps(state, call, by_ms, slack).Take();
}

}  // namespace onced

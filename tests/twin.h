// SPDX-License-Identifier: MIT
// Twin: what the ledger must say, found out the naive way: a std::map, and the rules of the table
// as one would tell them aloud. It was written from the design and shares no code with
// transition.cc.
//
// Threads: the test's own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/transition.h"

namespace onced {

struct Ended {
  uint64_t fence;
  uint32_t attempt;
  std::vector<RunEvent> events;
  int64_t gone_at_ms;
};

// What the twin knows of one key.
struct Known {
  enum { kAbsent, kInFlight, kCompleted, kUnknown } state = kAbsent;
  std::string fingerprint, claim_id, holder;
  std::optional<std::string> result;
  bool retry = true, local = false, left_behind = false;
  uint64_t fence = 0;
  uint32_t attempt = 0;
  int64_t lease_until_ms = 0, retention_ms = 0, dead_at_ms = kNeverMs;
  std::vector<RunEvent> events;     // of the run the record tells of
  std::map<uint64_t, Ended> ended;  // rows of the audit trail
};

class Twin {
 public:
  Twin(int64_t audit_retention_ms, int64_t unknown_retention_ms)
      : audit_ms_(audit_retention_ms), unknown_ms_(unknown_retention_ms) {}

  Known& At(const std::string& name, int64_t now_ms) {
    now_ms_ = now_ms;
    Known& key = keys_[name];
    if (key.state != Known::kAbsent && now_ms >= key.dead_at_ms) Clear(key);
    std::erase_if(key.ended, [&](const auto& row) { return now_ms >= row.second.gone_at_ms; });
    return key;
  }
  std::map<std::string, Known>& keys() { return keys_; }

  // `fence`: the one the ledger gave out, if it did.
  Outcome Do(Known& key, const Command& command, uint64_t fence) {
    return std::visit([&](const auto& c) { return On(key, c, fence); }, command);
  }

  // The process ends and another one begins: the runs that lived in it are nobody's any more, and
  // those of its predecessors are still nobody's.
  void Restart(int64_t now_ms) {
    for (auto& [name, unused] : keys_) {
      Known& key = At(name, now_ms);
      if (key.state == Known::kInFlight && key.local) key.left_behind = true;
      if (!key.left_behind) continue;
      key.state = Known::kUnknown;
      key.events.resize(1);
      if (now_ms >= key.lease_until_ms) {
        key.events.push_back({EventType::kLapsed, key.lease_until_ms});
      }
      key.events.push_back({EventType::kMarkedUnknown, std::min(now_ms, key.lease_until_ms)});
    }
  }

  // The story of the record's run so far: a lapse shows once its time has come.
  std::vector<RunEvent> StoryOf(const Known& key) const {
    std::vector<RunEvent> story = key.events;
    if (key.state == Known::kInFlight && now_ms_ >= key.lease_until_ms) {
      story.push_back({EventType::kLapsed, key.lease_until_ms});
    }
    return story;
  }

 private:
  static void Clear(Known& key) { key = Known{.ended = std::move(key.ended)}; }
  bool Live(const Known& key) const {
    return key.state == Known::kInFlight && now_ms_ < key.lease_until_ms;
  }
  int64_t DeathInFlight(const Known& key) const {
    if (!key.local) return key.lease_until_ms + key.retention_ms;
    return unknown_ms_ == 0 ? kNeverMs : key.lease_until_ms + unknown_ms_;
  }
  // Writes the run's row, with what ended it.
  void End(Known& key, EventType how) {
    key.events = StoryOf(key);
    key.events.push_back({how, now_ms_});
    key.ended[key.fence] = {key.fence, key.attempt, key.events, now_ms_ + audit_ms_};
  }
  Outcome Begin(Known& key, const ClaimCommand& claim, uint32_t attempt, uint64_t fence) {
    Clear(key);
    key.state = Known::kInFlight;
    key.fingerprint = claim.fingerprint;
    key.claim_id = claim.claim_id;
    key.holder = claim.holder;
    key.retry = claim.on_lapse == OnLapse::kRetry;
    key.local = claim.local;
    key.fence = fence;
    key.attempt = attempt;
    key.lease_until_ms = now_ms_ + claim.lease_ms;
    key.retention_ms = claim.retention_ms;
    key.dead_at_ms = DeathInFlight(key);
    key.events = {{EventType::kClaimed, now_ms_}};
    return Outcome::kClaimed;
  }
  Outcome Finish(Known& key, std::optional<std::string> result, EventType how, Outcome outcome) {
    End(key, how);
    key.left_behind = false;
    key.state = Known::kCompleted;
    key.result = std::move(result);
    key.dead_at_ms = now_ms_ + key.retention_ms;
    return outcome;
  }
  Outcome Lose(Known& key, Outcome outcome) {
    End(key, EventType::kMarkedUnknown);
    key.state = Known::kUnknown;
    key.dead_at_ms = unknown_ms_ == 0 ? kNeverMs : now_ms_ + unknown_ms_;
    return outcome;
  }
  Outcome Drop(Known& key, EventType how, Outcome outcome) {
    End(key, how);
    Clear(key);
    return outcome;
  }

  Outcome On(Known& key, const ClaimCommand& claim, uint64_t fence) {
    if (key.state == Known::kAbsent) return Begin(key, claim, 1, fence);
    if (key.fingerprint != claim.fingerprint) return Outcome::kConflict;
    if (key.state == Known::kCompleted) return Outcome::kReplay;
    if (key.state == Known::kUnknown) return Outcome::kUnknown;
    if (!claim.claim_id.empty() && claim.claim_id == key.claim_id) return Outcome::kClaimed;
    if (Live(key)) return Outcome::kInFlight;
    if (!key.retry) return Lose(key, Outcome::kUnknown);
    const uint32_t attempt = key.attempt + 1;
    End(key, EventType::kRetaken);
    return Begin(key, claim, attempt, fence);
  }
  Outcome On(Known& key, const CompleteCommand& complete, uint64_t) {
    if (key.state == Known::kAbsent || key.fence != complete.fence) return Outcome::kStale;
    if (key.state == Known::kCompleted) {
      return key.result == complete.result ? Outcome::kCompleted : Outcome::kStale;
    }
    if (complete.retention_ms.has_value()) key.retention_ms = *complete.retention_ms;
    return Finish(key, complete.result, EventType::kCompleted, Outcome::kCompleted);
  }
  Outcome On(Known& key, const CompleteUnclaimedCommand& complete, uint64_t fence) {
    if (key.state == Known::kAbsent) {
      Begin(key, {.fingerprint = complete.fingerprint, .retention_ms = complete.retention_ms}, 1,
            fence);
      key.events.clear();
      key.lease_until_ms = kNeverMs;  // there was no lease that could lapse
      key.events = {{EventType::kClaimed, now_ms_}};
      return Finish(key, complete.result, EventType::kCompleted, Outcome::kCompleted);
    }
    if (key.fingerprint != complete.fingerprint) return Outcome::kConflict;
    if (key.state == Known::kInFlight) return Outcome::kInFlight;
    if (key.state == Known::kUnknown) return Outcome::kUnknown;
    return key.result == complete.result ? Outcome::kCompleted : Outcome::kConflict;
  }
  bool Owns(const Known& key, uint64_t fence) const {
    return key.state == Known::kInFlight && key.fence == fence;
  }
  Outcome On(Known& key, const ReleaseCommand& release, uint64_t) {
    if (!Owns(key, release.fence)) return Outcome::kStale;
    return Drop(key, EventType::kReleased, Outcome::kReleased);
  }
  Outcome On(Known& key, const RenewCommand& renew, uint64_t) {
    if (!Owns(key, renew.fence)) return Outcome::kStale;
    key.lease_until_ms = now_ms_ + renew.lease_ms;
    key.dead_at_ms = DeathInFlight(key);
    return Outcome::kRenewed;
  }
  Outcome On(Known& key, const MarkUnknownCommand& mark, uint64_t) {
    if (key.state == Known::kUnknown && key.fence == mark.fence) return Outcome::kMarkedUnknown;
    if (!Owns(key, mark.fence)) return Outcome::kStale;
    return Lose(key, Outcome::kMarkedUnknown);
  }
  Outcome On(Known& key, const ResolveCommand& resolve, uint64_t) {
    if (key.state == Known::kAbsent) return Outcome::kNotFound;
    if (key.state == Known::kCompleted || Live(key)) return Outcome::kNotResolvable;
    if (!resolve.completed) return Drop(key, EventType::kResolved, Outcome::kResolved);
    return Finish(key, resolve.result, EventType::kResolved, Outcome::kResolved);
  }
  Outcome On(Known& key, const ForgetCommand& forget, uint64_t) {
    if (key.state == Known::kAbsent) return Outcome::kNotFound;
    if (Live(key) && !forget.force) return Outcome::kInFlight;
    return Drop(key, EventType::kForgotten, Outcome::kForgotten);
  }

  const int64_t audit_ms_, unknown_ms_;
  int64_t now_ms_ = 0;
  std::map<std::string, Known> keys_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Caller: one of many who claim, find, renew, complete and release a few keys that all want, by
// whatever door, and note what they were told. A Door says how a call is made.
//
// Threads: one each.
// Invariants: what was not answered is noted as that, and its caller goes on.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "tests/call_history.h"

namespace onced {

// Makes one call and fills in what was told; false: no answer, or one that leaves it open.
class LedgerDoor {
 public:
  virtual ~LedgerDoor() = default;
  virtual bool Ask(const std::string& key, Call& call) = 0;
};

class LedgerCaller {
 public:
  LedgerCaller(LedgerDoor* door, CallHistory::Pen* pen, uint64_t seed, std::string prefix,
               uint64_t keys, int64_t lease_ms)
      : door_(door),
        pen_(pen),
        random_(seed),
        prefix_(std::move(prefix)),
        keys_(keys),
        lease_ns_(lease_ms * 1'000'000) {}

  // One round on some key: a claim, and what its owner does with it. False: a call was not
  // answered.
  bool Round() {
    const std::string key = prefix_ + std::to_string(random_() % keys_);
    Call claim{.kind = Call::Kind::kClaim,
               .fingerprint = random_() % 16 == 0 ? 2U : 1U,
               .lease_ns = lease_ns_};
    if (!Ask(key, &claim)) return false;
    if (random_() % 4 == 0 && !Find(key)) return false;
    if (claim.told != Call::Told::kDone) return random_() % 8 != 0 || OldFence(key);
    last_fence_ = claim.fence;
    if (random_() % 4 == 0 && !Own(key, Call::Kind::kRenew, claim.fence)) return false;
    if (random_() % 5 == 0) return true;  // forgets it
    const bool gives_up = random_() % 8 > 0;
    return Own(key, gives_up ? Call::Kind::kRelease : Call::Kind::kComplete, claim.fence);
  }

 private:
  bool Ask(const std::string& key, Call* call) {
    return pen_->Note(key, *call, [&](Call& noted) {
      const bool answered = door_->Ask(key, noted);
      *call = noted;
      return answered;
    });
  }
  bool Find(const std::string& key) {
    Call find{.kind = Call::Kind::kFind};
    return Ask(key, &find);
  }
  bool Own(const std::string& key, Call::Kind kind, uint64_t fence) {
    Call call{.kind = kind,
              .fence = fence,
              .result = kind == Call::Kind::kComplete ? 1 + random_() % 1'000 : 0,
              .lease_ns = lease_ns_};
    return Ask(key, &call);
  }
  // Whoever it was that had it: of this key, or of another.
  bool OldFence(const std::string& key) {
    if (last_fence_ == 0) return true;
    return Own(key, static_cast<Call::Kind>(1 + random_() % 3), last_fence_);
  }

  LedgerDoor* const door_;
  CallHistory::Pen* const pen_;
  std::mt19937_64 random_;
  const std::string prefix_;
  const uint64_t keys_;
  const int64_t lease_ns_;
  uint64_t last_fence_ = 0;
};

}  // namespace onced

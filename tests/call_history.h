// SPDX-License-Identifier: MIT
// CallHistory: what many callers asked of the ledger, what each was told, and when, for a checker
// to judge afterwards. A call that was never answered stays open for ever, or to the moment at
// which the server that had it is known to have died: it may have happened, or not.
//
// Threads: a Recorder belongs to one and takes no lock; NewRecorder() from any; the rest when
// the recorders' threads have ended, or stand still.
// Invariants: a call's moments are taken outside of it: what it did happened between them.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "engine/clock.h"

namespace onced {

enum class Asked : uint8_t { kClaim, kComplete, kRelease, kRenew, kFind };

enum class Told : uint8_t {
  kNothing,  // no answer, or one that says that nothing is known
  kRefused,  // nothing was done, for want of room or of time
  kClaimed,
  kReplay,
  kConflict,
  kInFlight,
  kUnknown,
  kCompleted,
  kReleased,
  kRenewed,
  kStale,
  kAbsent,  // the last four: of a find
  kFoundInFlight,
  kFoundCompleted,
  kFoundUnknown,
};

const char* NameOf(Told what);

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

struct Question {
  std::string key;
  Asked what = Asked::kFind;
  uint64_t fence = 0;
  uint64_t fingerprint = 0;  // numbers stand for texts; 0: none
  uint64_t claim_id = 0;
  uint64_t result = 0;
  int64_t lease_ms = 0;
  int64_t retention_ms = 0;  // of a completion, 0: the claim's
  bool unknown_on_lapse = false;
  int64_t wait_ms = 0;  // of a claim by HTTP, for a run in flight to end
  // Of a claim whose caller hung up, and of the release by which the server may take it back.
  uint64_t hung_up = 0;
};

struct Answer {
  Told what = Told::kNothing;
  uint64_t fence = 0;   // claimed; found, where it was shown
  uint64_t result = 0;  // replay; found completed, where it was shown
  // Of kNothing: there was an answer, which did not say what was done.
  bool unclear = false;
};

struct Call {
  Question asked;
  Answer told;
  int64_t called_ns = 0;  // on the steady clock: which call came before which
  int64_t returned_ns = kForever;
  int64_t called_ms = 0;  // on the ledger's clock, as nearly as the caller knows
  int64_t returned_ms = kForever;
  int caller = 0;

  bool answered() const { return told.what != Told::kNothing; }
  // Something was done, or shown: only this proves anything. A program that refuses all is right
  // about nothing.
  bool decided() const { return answered() && told.what != Told::kRefused; }
};

// One line for people.
std::string Text(const Call& call);

class CallHistory;

class Recorder {
 public:
  Recorder(const CallHistory* history, int caller) : history_(history), caller_(caller) {}

  void Begin(Question question);
  // Of the call begun last. Told::kNothing leaves it open.
  void End(const Answer& answer);
  // Of the claim begun last: its caller has hung up, and nobody will tell what the server makes
  // of it.
  void HungUp();

 private:
  friend class CallHistory;
  const CallHistory* const history_;
  const int caller_;
  std::deque<Call> calls_;
};

class CallHistory {
 public:
  // `clock`: the ledger's own, where the caller has it. Otherwise the steady one, which runs at the
  // same pace.
  explicit CallHistory(Clock* clock = nullptr) : clock_(clock) {}

  Recorder* NewRecorder();
  // The server that was asked has died before this moment: what is open has happened by now, or
  // never will.
  void ServerIsGone();
  // Of all recorders, in no order.
  std::vector<Call> Calls() const;

 private:
  friend class Recorder;
  static int64_t NowNs();
  int64_t NowMs(int64_t now_ns) const;

  Clock* const clock_;
  std::mutex mutex_;
  std::list<Recorder> recorders_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Witness: a caller of the ledger, by whichever door, that writes down what it asked and was told.
// What it says in a history as a number goes over the wire as a text, and what comes back is that
// number only if every byte of the text is right.
//
// Threads: a Witness belongs to one at a time.
// Invariants: an answer that does not say for sure what was done is written down as none, unclear.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ledger.h"
#include "tests/call_history.h"

namespace onced {

// A result as it is stored for `number`, JSON; and back: kNoResult when it is no such text.
constexpr uint64_t kNoResult = UINT64_MAX;
std::string ResultText(uint64_t number);
uint64_t ResultNumber(std::string_view text);
// Fingerprints and ids as texts, "" for 0; and the number that a text begins with.
std::string TextOf(uint64_t number);
uint64_t NumberIn(std::string_view text);

// One way to ask.
class Door {
 public:
  virtual ~Door() = default;
  virtual void Send(const Question& question) = 0;
  virtual Answer Receive(const Question& question) = 0;
  // Whether the answer is coming in: true also where it cannot know.
  virtual bool HasAnswer() const { return true; }
  // Ends the connection under an answer that may be on its way, and makes another; where it can.
  virtual bool CanHangUp() const { return false; }
  virtual void HangUp() {}
  // Nobody will answer here any more.
  virtual bool lost() const { return false; }
};
std::unique_ptr<Door> InProcess(Ledger* ledger);
std::unique_ptr<Door> OverHttp(uint16_t port);
std::unique_ptr<Door> OverRedis(uint16_t port);

class Witness {
 public:
  Witness(Recorder* recorder, std::unique_ptr<Door> door)
      : recorder_(recorder), door_(std::move(door)) {}

  void Ask(Question question);
  Answer Hear();
  Answer AskAndHear(Question question) {
    Ask(std::move(question));
    return Hear();
  }
  bool HasAnswer() const { return door_->HasAnswer(); }
  bool lost() const { return door_->lost(); }
  // Asks to claim, and does not stay to hear. False: this door does not know how.
  bool AskAndHangUp(Question claim);
  void GoTo(std::unique_ptr<Door> door) { door_ = std::move(door); }

 private:
  Recorder* const recorder_;
  std::unique_ptr<Door> door_;
  Question asked_;
};

Question ClaimOf(const std::string& key, int64_t lease_ms, int64_t retention_ms = 3'600'000);
Question CompleteOf(const std::string& key, uint64_t fence, uint64_t result);
Question ReleaseOf(const std::string& key, uint64_t fence);
Question RenewOf(const std::string& key, uint64_t fence, int64_t lease_ms);
Question FindOf(const std::string& key);

// The few keys that all callers are at: which they are moves on as they are completed.
struct HotKeys {
  static constexpr size_t kMany = 6;
  std::atomic<size_t> first{0};
};

// A caller that does what callers do, good ones and bad ones: claims, works or abandons, completes,
// gives back, renews, comes too late with an old fence, looks, returns to old keys, and asks again
// with its claim's id when it was not answered.
class RandomCaller {
 public:
  static constexpr int64_t kLeaseLeastMs = 100;
  static constexpr int64_t kLeaseMostMs = 300;

  RandomCaller(Witness* witness, HotKeys* keys, uint64_t seed)
      : witness_(witness), keys_(keys), random_(seed) {}

  // One call.
  void Step();

 private:
  struct Held {
    std::vector<uint64_t> fences;  // it was told, the newest last
    bool owns = false;             // the newest, as far as it knows
    uint64_t unanswered_id = 0;
  };
  size_t PickKey();
  Question Next(const std::string& name, const Held& held);

  Witness* const witness_;
  HotKeys* const keys_;
  std::mt19937_64 random_;
  std::map<size_t, Held> held_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// What the load asks of each kind of system: the same effect under keys of which each comes `times`
// times, spoken as that system is spoken to. A key's duplicates are sixteen operations apart, so
// with more connections than that they are under way together.
//
// Threads: use from one.
// Invariants: a script counts what its callers were told, and fails on any answer that is not one
// of those which the system gives when all is well.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/load.h"

namespace onced::bench {

// Keys of one run, which nobody else uses.
struct RunKeys {
  std::string prefix;
  int times = 1;  // each is asked for

  std::string KeyOf(int64_t operation) const;
  int64_t NumberOf(int64_t operation) const;
  // How many different ones `operations` operations have.
  int64_t Distinct(int64_t operations) const;
};

class PayingScript : public Script {
 public:
  // `tells_winners`: callers are told whether it was they who won the key.
  explicit PayingScript(RunKeys keys, bool tells_winners = true)
      : keys_(std::move(keys)), tells_winners_(tells_winners) {}
  const RunKeys& keys() const { return keys_; }
  bool tells_winners() const { return tells_winners_; }
  // Operations whose caller has won the key; was given a result (of another, where that is told);
  // was told that another is at it.
  int64_t won() const { return won_; }
  int64_t replayed() const { return replayed_; }
  int64_t refused() const { return refused_; }
  // Of those won, how many had been won by another before.
  int64_t won_again() const { return won_again_; }

 protected:
  std::string KeyOf(int64_t operation) const { return keys_.KeyOf(operation); }
  void Won(int64_t operation);
  void Replayed() { ++replayed_; }
  void Refused() { ++refused_; }

 private:
  const RunKeys keys_;
  const bool tells_winners_;
  std::vector<bool> winners_;  // by the key's number
  int64_t won_ = 0;
  int64_t replayed_ = 0;
  int64_t refused_ = 0;
  int64_t won_again_ = 0;
};

// One POST with an Idempotency-Key, which is answered when the payment is made: an endpoint, or a
// gateway in front of one. 200 or 201, marked as replayed or not (where `marks_replays`); 409 while
// another is at it.
std::unique_ptr<PayingScript> PostScript(RunKeys keys, std::string path, bool marks_replays);
// POST /v1/claim, and /v1/complete by who has won. `retention_ms` 0: as the server has it.
std::unique_ptr<PayingScript> ClaimScript(RunKeys keys, int64_t retention_ms = 0);
// SET key pending NX GET EX, and SET key result EX by who has won.
std::unique_ptr<PayingScript> RedisScript(RunKeys keys);
// The same by Webdis, in paths.
std::unique_ptr<PayingScript> WebdisScript(RunKeys keys);
// A transaction that creates the key if there is none, and a put by who has won, by etcd's JSON.
std::unique_ptr<PayingScript> EtcdScript(RunKeys keys);
// POST of a hundred bytes, to what does nothing but answer.
std::unique_ptr<PayingScript> CeilingScript(RunKeys keys, std::string path);

}  // namespace onced::bench

// SPDX-License-Identifier: MIT
// PostgresProxy: stands between a store and its database on 127.0.0.1, and hangs up at the worst
// moment: when a certain statement is about to be sent, or has been sent and its answer comes. Or
// it says at that moment, in the database's name, that the statement has failed.
//
// Threads: every call from any; one thread of its own for each connection.
// Invariants: no thread of it outlives it. Each cut that was ordered happens once.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/mutex.h"

namespace onced {

class PostgresProxy {
 public:
  enum class Cut { kBeforeItIsSent, kBeforeItIsAnswered, kRefused, kRefusedWhenDone, kLetThrough };

  explicit PostgresProxy(uint16_t to_port);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  uint16_t port() const { return port_; }
  // The next time that a client sends `words`. `state`: the SQLSTATE of what is refused.
  void CutNext(Cut when, const std::string& words, const std::string& state = "XX000");
  // How many cuts have happened.
  int cuts() const { return cuts_; }
  // From the next cut on nobody is let through, until Repair.
  void StaysCut() { stays_cut_ = true; }
  void Repair();
  // From now on whoever connects is let in and told nothing. Who is connected has been cut off.
  void FallSilent();
  // How many wait for a word.
  int ignored() const { return ignored_; }

 private:
  void Accept();
  void Carry(int client);
  // What is to be done about what a client sends, if it has the words that are waited for.
  std::optional<Cut> CutOf(const std::string& sent);
  // An error, and the end of the round trip.
  std::string Refusal();

  const uint16_t to_port_;
  int listening_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false}, broken_{false}, stays_cut_{false}, silent_{false};
  std::atomic<int> cuts_{0}, ignored_{0}, connected_{0};
  Mutex mutex_;
  bool armed_ GUARDED_BY(mutex_) = false;
  Cut when_ GUARDED_BY(mutex_) = Cut::kBeforeItIsSent;
  std::string words_ GUARDED_BY(mutex_), state_ GUARDED_BY(mutex_);
  std::vector<std::thread> carriers_ GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// PostgresLines: wakes who waits in this process when another process ends the run. It listens to
// what writers notify (they do when the row says that somebody waits), and because a notice can be
// lost and not every database has them, it also asks now and then what became of the runs that are
// waited for.
//
// Threads: Watch from any, with the key's stripe held or not; one thread of its own, which waits
// for no stripe: one that is held, as it is for whole round trips, is tried again a little later,
// and meanwhile the others are told.
// Invariants: a run that has ended wakes its waiters within kPollMost after the database can be
// asked and the stripe is free. One call more than is needed does no harm: who is woken asks again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/key.h"
#include "engine/mutex.h"
#include "engine/postgres_pool.h"
#include "engine/stripes.h"

namespace onced {

class PostgresLines {
 public:
  static constexpr std::chrono::milliseconds kPollLeast{500};
  static constexpr std::chrono::milliseconds kPollMost{1'000};

  // `name`: by which this process knows its own notices. `listens` false: it only asks.
  PostgresLines(PostgresPool* pool, Stripes* stripes, std::string name, bool listens);
  ~PostgresLines();
  PostgresLines(const PostgresLines&) = delete;
  PostgresLines& operator=(const PostgresLines&) = delete;

  // What writers are to sign their notices with; empty when the database has none.
  std::string notifier() const { return listens_ ? name_ : ""; }

  // Somebody in this process waits for the end of this key's run.
  void Watch(const Key& key);

  // What is told of a run's end.
  static std::string Notice(std::string_view name, const Key& key, Wake wake);

 private:
  void Run();
  void Listen();
  bool Pause(std::chrono::milliseconds time);  // false: time to stop
  void Hear(const std::string& notice);
  void Poll();
  void Ended(const Key& key, Wake wake);
  // Now, or as soon as the key's stripe is free.
  void Settle(const Key& key, Decision change);
  bool SettleIfFree(const Key& key, const Decision& change);
  void SettleOwed();
  void Forget(const std::vector<Key>& keys);

  PostgresPool* const pool_;
  Stripes* const stripes_;
  const std::string name_;
  std::atomic<bool> listens_;
  const int stop_fd_;
  // The thread's:
  std::unique_ptr<PostgresConnection> listener_;
  struct Owed {
    Key key;
    Decision change;
  };
  std::map<std::string, Owed> owed_;  // whose stripes were held
  Mutex mutex_;
  std::map<std::string, Key> watched_ GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Databases: the keyspace as commands see it: sixteen numbered databases a tenant, who watches
// which key, and how often something was looked for and found.
//
// Threads: the door's one.
// Invariants: 1. Whatever changes a key goes through here, so a watched key never changes unseen.
// 2. After a fault of the storage nothing is found and fault() says so; the turn must not be
// committed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/keyspace.h"

namespace onced::redis {

constexpr int kDatabases = 16;

struct Session;

// One database of one tenant, as a session has it selected.
struct Selected {
  Keyspace::Space space = 0;
  int number = 0;
};

class Databases {
 public:
  explicit Databases(Keyspace* keyspace) : keyspace_(keyspace) {}

  // REQUIRES: 0 <= number < kDatabases.
  Selected Select(std::string_view tenant, int number);

  // The time of the command, for all that it does.
  void SetNow(int64_t now_ms) {
    now_ms_ = now_ms;
    keyspace_->SetNow(now_ms);
  }
  int64_t now_ms() const { return now_ms_; }
  int64_t clock_ms() const { return keyspace_->ClockMs(); }

  // nullptr: there is none. Until the next call.
  const Entry* Load(Selected db, std::string_view key);
  // The same, counted as a hit or a miss.
  const Entry* Find(Selected db, std::string_view key);
  // A time of death that has passed already erases.
  void Put(Selected db, std::string_view key, ValueType type, int64_t dead_at_ms,
           std::string_view bytes);
  bool Erase(Selected db, std::string_view key);  // whether it was there
  // Who watches a key that was there sees it at EXEC: see WatchedHasDied.
  void Flush(Selected db) { keyspace_->Flush(db.space); }
  // See Keyspace.
  uint32_t Scan(Selected db, uint32_t from, size_t count, const Keyspace::Visit& visit);
  uint64_t Count(Selected db);

  // `session` is told (Session::touched) when the key changes, or has died by the time of EXEC.
  void Watch(Session* session, Selected db, std::string_view key);
  void Unwatch(Session* session);
  // Whether a key that lived when it was watched has died since.
  bool WatchedHasDied(const Session& session);

  Keyspace& keyspace() { return *keyspace_; }
  const std::optional<Status>& fault() const { return fault_; }
  void ForgetFault() { fault_.reset(); }

  uint64_t hits = 0;
  uint64_t misses = 0;

 private:
  using WatchedKey = std::pair<Keyspace::Space, std::string>;
  struct WatchedKeyHash {
    size_t operator()(const WatchedKey& key) const {
      return std::hash<std::string>()(key.second) * 31 + key.first;
    }
  };
  void Touch(Keyspace::Space space, std::string_view key);
  void Note(const Status& status) {
    if (!fault_.has_value()) fault_ = status;
  }

  Keyspace* const keyspace_;
  int64_t now_ms_ = 0;
  std::optional<Status> fault_;
  std::unordered_map<WatchedKey, std::vector<Session*>, WatchedKeyHash> watchers_;
};

}  // namespace onced::redis

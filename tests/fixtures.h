// SPDX-License-Identifier: MIT
// What the engine's tests are set up with: a clock that only the test moves, a folder of its own
// that is gone afterwards, a ledger in such a folder, and short words for keys and commands.
//
// Threads: ManualClock from any; the rest belongs to the test's own thread.
// Invariants: nothing here sleeps but Eventually(), and nothing outside a TempFolder is written.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "engine/clock.h"
#include "engine/key.h"
#include "engine/ledger.h"
#include "engine/rocks_store.h"
#ifdef ONCED_STORE_IN_MEMORY
#include "tests/memory_store.h"
#endif
#ifdef ONCED_STORE_IN_POSTGRES
#include "tests/ledger_on_postgres.h"
#endif

namespace onced {

constexpr int64_t kSecondMs = 1'000;
constexpr int64_t kMinuteMs = 60 * kSecondMs;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;

class ManualClock : public Clock {
 public:
  // 2026-01-01, or whatever moment the test needs.
  explicit ManualClock(int64_t now_ms = 1'767'225'600'000) : now_ms_(now_ms) {}
  int64_t NowMs() override { return now_ms_.load(); }
  void Advance(int64_t by_ms) { now_ms_.fetch_add(by_ms); }
  void Set(int64_t now_ms) { now_ms_.store(now_ms); }

 private:
  std::atomic<int64_t> now_ms_;
};

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "onced-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    root_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path(const std::string& name = "data") const { return root_ + "/" + name; }

 private:
  std::string root_;
};

// Also of a store that lives: when it deletes a file just then, all of it is copied again.
inline void CopyFolder(const std::string& from, const std::string& to) {
  std::error_code failed;
  for (int tries = 0; tries < 20; ++tries) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, failed);
    if (!failed) return;
  }
  throw std::runtime_error("copy " + from + ": " + failed.message());
}
inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The value, or the end of the test with the reason.
template <typename T>
T Value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return std::move(*result);
}
inline void Must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}
template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.ok() ? Status::Ok() : result.status();
}
inline std::optional<Fault> FaultOf(const Status& status) {
  return status.ok() ? std::nullopt : std::optional(status.fault());
}
template <typename T>
std::optional<Fault> FaultOf(const Result<T>& result) {
  return FaultOf(StatusOf(result));
}

// For what a thread of the engine does in its own time. False when it never came true.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    // real time: the engine's own threads move in it, and no clock can be handed to them
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// The seed of this run's random tests: ONCED_SEED, or `usual`.
inline uint64_t Seed(uint64_t usual) {
  const char* given = getenv("ONCED_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : usual;
}

inline Key K(const std::string& key, const std::string& scope = "default",
             const std::string& tenant = "default") {
  return Value(Key::Make(tenant, scope, key));
}

inline RocksStoreOptions QuickOptions(const std::string& path, Clock* clock) {
  RocksStoreOptions options;
  options.path = path;
  options.durability = Durability::kOs;
  options.clock = clock;
  return options;
}
// The tests of the ledger alone are built a second time, without RocksDB and under the thread
// sanitizer, and a third time on PostgreSQL. kOneProcess: the store knows that a process which has
// begun anew is the only one, and so that older local runs are nobody's.
#if defined(ONCED_STORE_IN_MEMORY)
using TestedStore = MemoryStore;
constexpr bool kOneProcess = true;
#elif defined(ONCED_STORE_IN_POSTGRES)
using TestedStore = LedgerOnPostgres;
constexpr bool kOneProcess = false;
#else
using TestedStore = RocksStore;
constexpr bool kOneProcess = true;
#endif
inline std::unique_ptr<TestedStore> OpenStore(const RocksStoreOptions& options) {
  return Value(TestedStore::Open(options));
}

// A ledger on a store of its own, in a folder of its own, under a clock that only the test moves.
// Answers are as durable as a crash of the process needs (Durability::kOs) unless told otherwise.
struct LedgerInAFolder {
  explicit LedgerInAFolder(const std::function<void(RocksStoreOptions&)>& adjust =
                               [](RocksStoreOptions&) {})
      : options(QuickOptions(folder.path(), &clock)) {
    adjust(options);
    Reopen();
  }
  void Close() {
    ledger.reset();
    store.reset();
  }
  void Reopen() {
    Close();
    store = OpenStore(options);
    ledger = std::make_unique<Ledger>(store.get());
  }
  Ledger* operator->() { return ledger.get(); }

  TempFolder folder;
  ManualClock clock;
  RocksStoreOptions options;
  std::unique_ptr<TestedStore> store;
  std::unique_ptr<Ledger> ledger;
};

// A claim with fingerprint "fp", a lease of 10 s and a retention of a minute.
inline ClaimCommand AClaim(const std::string& claim_id = "", OnLapse on_lapse = OnLapse::kRetry) {
  return {.fingerprint = "fp",
          .lease_ms = 10 * kSecondMs,
          .retention_ms = kMinuteMs,
          .on_lapse = on_lapse,
          .claim_id = claim_id,
          .holder = "me"};
}

// The same, for an hour and a day.
inline ClaimCommand LongClaim() {
  return {.fingerprint = "fp", .lease_ms = kHourMs, .retention_ms = kDayMs, .holder = "me"};
}

inline void PrintTo(Outcome outcome, std::ostream* out) {
  static constexpr const char* kNames[] = {
      "claimed",   "replay",         "conflict",  "in flight",      "unknown",
      "completed", "released",       "renewed",   "marked unknown", "stale",
      "resolved",  "not resolvable", "forgotten", "not found"};
  *out << kNames[static_cast<size_t>(outcome)];
}
inline void PrintTo(State state, std::ostream* out) {
  *out << (state == State::kInFlight    ? "in flight"
           : state == State::kCompleted ? "completed"
                                        : "unknown");
}
inline void PrintTo(Fault fault, std::ostream* out) {
  static constexpr const char* kNames[] = {"invalid argument", "corruption",  "I/O error",
                                           "unreadable",       "unavailable", "full",
                                           "no space"};
  *out << kNames[static_cast<size_t>(fault)];
}
inline void PrintTo(const RunEvent& event, std::ostream* out) {
  static constexpr const char* kNames[] = {"?",        "claimed", "lapsed",         "completed",
                                           "released", "retaken", "marked unknown", "resolved",
                                           "forgotten"};
  *out << kNames[static_cast<size_t>(event.type)] << "@" << event.at_ms;
}

}  // namespace onced

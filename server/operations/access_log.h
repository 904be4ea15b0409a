// SPDX-License-Identifier: MIT
// AccessLog: what is told of single requests: a line of those that failed or were slow (or of all),
// and the last ones and the last slow ones in memory, for GET /v1/requests.
//
// It is on the way of every answer, so what a request costs is a copy of some hundred bytes into a
// ring of fixed size, one of several, behind a mutex that two threads seldom want at a time. All
// are recorded, none is sampled.
//
// Threads: any.
// Invariants: 1. No key, no target, no header of a client's but its request id and trace ids is
// ever in a line or in a ring; of a key the first 12 digits of its SHA-256. 2. Probes and whoever
// watches (health, metrics, these rings) are not told of unless they fail.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mutex.h"
#include "server/operations/journal.h"
#include "server/operations/tally.h"
#include "server/wire/tag.h"

namespace onced {

enum class AccessLines : uint8_t { kOff, kErrors, kAll };

struct AccessTerms {
  AccessLines lines = AccessLines::kErrors;
  std::chrono::milliseconds slow{1'000};  // 0: none is
};

class AccessLog {
 public:
  // `log` must outlive it; absent: only the rings are kept.
  AccessLog(Journal* log, AccessTerms terms) : log_(log), terms_(terms) {}
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // An answer leaves.
  void Tell(Door door, CameTo came_to, const wire::Tag& tag, std::chrono::nanoseconds took);

  // {"recent":[...],"slow":[...]}, each newest first, at most 100.
  std::string Json() const;

 private:
  static constexpr size_t kKept = 100;
  static constexpr size_t kShards = 16;
  struct Seen {
    int64_t at_ms = 0;  // 0: none
    int64_t took_us = 0;
    std::string_view method;
    std::array<char, 32> route;  // a copy: routes come and go while it is kept
    uint8_t route_size = 0;      // 0: none was found
    int status = 0;
    Door door = Door::kApi;
    CameTo came_to = CameTo::kByStatus;
    wire::RequestId request_id;

    std::string_view RouteName() const;
  };
  struct alignas(64) Ring {
    mutable Mutex mutex;
    std::array<Seen, kKept> seen GUARDED_BY(mutex);
    uint64_t next GUARDED_BY(mutex) = 0;

    void Put(const Seen& one) EXCLUDES(mutex);
    void CopyTo(std::vector<Seen>* out) const EXCLUDES(mutex);
  };
  Ring& Mine();
  void Say(LogEvent event, const Seen& seen, const wire::Tag& tag);

  Journal* const log_;
  const AccessTerms terms_;
  std::array<Ring, kShards> recent_;
  Ring slow_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Readiness: whether requests should be sent here, check by check, and how a probe is told.
//
//   check          fails
//   recovering     while the store is being opened
//   storage_read   when the disk has not given back the high-water mark for kDiskPatience, or said
//                  that it cannot: it is read every second
//   storage_write  while a write that found no room is not yet known to find some, or RocksDB takes
//                  none
//   log_sync       when one sync of the log has gone on for kDiskPatience
//   disk_space     while new claims are refused, for the disk is nearly full
//   draining       from the stop on
//   clock          never: it warns, while the clock is in doubt
//   database       where that is the store: when the last look at it failed, or none has come back
//                  for five seconds. Of the others there are recovering and draining then
//
// A probe looks only at what was noted: it waits for no disk, also when that hangs. What a disk
// does is told by how long ago it was last seen to do it, so a fault of it shows within
// kDiskPatience and a second, and is over with the next sync or read that ends. (Probes that read
// by themselves would hang one after the other, and be told nothing.)
//
// Threads: values and pure functions.
// Invariants: while the folder is being opened no question makes it ready.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store_figures.h"
#include "server/operations/storage_figures.h"
#include "server/web/answer.h"

namespace onced {

constexpr std::chrono::seconds kDiskPatience{5};

struct ReadyCheck {
  enum class State : uint8_t { kOk, kWarning, kFailed };

  std::string_view name;
  State state = State::kOk;
  std::string why;  // unless it is ok
};

std::vector<ReadyCheck> ReadyChecks(const StoreReadiness& store, bool draining);
std::vector<ReadyCheck> DatabaseChecks(const DatabaseFigures& database, bool draining);
std::vector<ReadyCheck> RecoveringChecks();

struct ReadyQuestion {
  std::string only;      // one check; empty: all of them
  std::string excluded;  // names, with commas between them
  bool verbose = false;  // name also those that are well
  bool json = false;
};

// 200 or 503; 404 or 400 for a check that is not there.
Answer ReadyAnswer(std::vector<ReadyCheck> checks, const ReadyQuestion& question);

// Whether who sent this `Accept` would rather have JSON than text.
bool WantsJson(std::string_view accept);

}  // namespace onced

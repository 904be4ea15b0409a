// SPDX-License-Identifier: MIT
// Answer: what a call of the API comes to, before it is a response: pure, so that a batch entry and
// a call of its own can be the same thing.
//
// Threads: values and pure functions.
// Invariants: an error is always a problem document; nothing of a stored payload is in one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/ledger.h"
#include "engine/status.h"

namespace onced {

struct Answer {
  int status = 200;
  std::string body;
  const char* type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  uint64_t sequence = 0;     // may leave when this is durable
  bool stalled = false;      // the store would not take a write just now: worth another try
  std::string for_operator;  // what a storage fault said; not for the caller
};

// REQUIRES: `code` is one of wire/problem.cc.
// `retry_after_s`: 0 for no Retry-After.
Answer ProblemOf(std::string code, std::string detail, int64_t retry_after_s = 0);
Answer FaultAnswer(const Status& status);

// How a command's outcome is told, as the answer to `command`. With `in_batch` the body carries its
// status as well.
Answer OutcomeAnswer(const Command& command, const Reply& reply, bool in_batch);

// The JSON object that shows a record (GET /v1/keys/{key}); `replays` where it is known.
std::string RecordJson(const Key& key, const Record& record, int64_t now_ms,
                       std::optional<uint32_t> replays,
                       std::optional<size_t> result_bytes = std::nullopt);
std::string HistoryJson(const std::vector<Run>& runs);

// RFC 3339 in UTC with milliseconds: 2026-11-24T17:02:45.123Z.
std::string TimeText(int64_t unix_ms);
const char* StateName(State state);

}  // namespace onced

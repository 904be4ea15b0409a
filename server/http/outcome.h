// SPDX-License-Identifier: MIT
// Outcomes as the API tells them: what a command came to, a record, a history. Pure, so that a
// batch entry and a call of its own can be the same thing.
//
// Threads: pure functions.
// Invariants: an error is always a problem document; nothing of a stored payload is in one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "server/web/answer.h"

namespace onced {

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

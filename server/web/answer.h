// SPDX-License-Identifier: MIT
// Answer: what a request to one of the HTTP doors comes to, before it is a response.
//
// Threads: values and pure functions.
// Invariants: an error is always a problem document; nothing of a stored payload is in one, nor the
// text of a fault, which is the operator's business.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/status.h"
#include "server/operations/tally.h"

namespace onced {

struct Answer {
  int status = 200;
  std::string body;
  const char* type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  uint64_t sequence = 0;     // may leave when this is durable
  bool stalled = false;      // the store would not take a write just now: worth another try
  CameTo came_to = CameTo::kByStatus;  // as it is counted
  std::string for_operator;  // what a storage fault said; not for the caller
};

// REQUIRES: `code` is one of wire/problem.cc.
// `retry_after_s`: 0 for no Retry-After.
Answer ProblemOf(std::string code, std::string detail, int64_t retry_after_s = 0);
Answer FaultAnswer(const Status& status);

}  // namespace onced

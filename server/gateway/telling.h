// SPDX-License-Identifier: MIT
// Telling: what a request to the gateway is answered, before it is a response: the upstream's own
// answer, a stored one, or an error in the shape of the route's profile.
//
// Threads: values and pure functions.
// Invariants: an error tells nothing of a stored payload, nor whether another principal exists.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/ledger.h"
#include "engine/status.h"
#include "server/gateway/call.h"
#include "server/gateway/route.h"
#include "server/web/stored_answer.h"
#include "server/wire/pipe.h"
#include "server/wire/problem.h"

namespace onced {

struct Telling {
  int status = 200;
  HeaderList headers;
  std::string body;
  std::shared_ptr<wire::Pipe> pipe;  // the body comes in pieces instead, of this length if told
  std::optional<uint64_t> length;
  uint64_t sequence = 0;     // may leave when this is durable
  bool stalled = false;      // the store would not take a write just now: worth another try
  std::string for_operator;  // of a fault; not for the client
};

// REQUIRES: problem.code is one of wire/problem.cc.
Telling ProblemTelling(Profile profile, const wire::Problem& problem);
// Nothing was sent: it could not be; it was not tried, and is not for so long.
wire::Problem UpstreamUnreachable();
wire::Problem UpstreamSuspended(std::chrono::milliseconds away);
// In seconds, within what a client should be told: 1..30.
int64_t RetryAfterS(int64_t ms);

Telling FaultTelling(Profile profile, const Status& status);

// A stored answer, again. `record` is completed.
Telling ReplayTelling(Profile profile, const Record& record, int64_t now_ms, bool attached);

}  // namespace onced

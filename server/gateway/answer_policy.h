// SPDX-License-Identifier: MIT
// AnswerPolicy: what an upstream says itself about keeping its answer, in the header
//   Onced-Policy: store | no-store | no-store-body | release | unknown [; ttl=SECONDS]
// It counts for more than the route's statuses: the service knows best what it did.
//
// Threads: a pure function.
// Invariants: a header that is not understood is as none; the header never reaches a client.
#pragma once

#include <chrono>
#include <optional>

#include "server/gateway/call.h"
#include "server/gateway/route.h"

namespace onced {

struct AnswerPolicy {
  std::optional<Keep> keep;
  bool store_head = true;  // off: only that the run was done is remembered
  bool store_body = true;
  std::optional<std::chrono::milliseconds> retention;  // within the limits of the engine
};

AnswerPolicy PolicyIn(const HeaderList& headers);

}  // namespace onced

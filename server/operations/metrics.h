// SPDX-License-Identifier: MIT
// Metrics: everything that is counted, as GET /metrics tells it (names: server/METRICS.md).
//
// Threads: pure.
// Invariants: no label has a key, a tenant, or anything else that callers choose: of labels there
// are as many as doors, outcomes and configured upstreams. Every series is there from the start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/operations/process.h"
#include "server/operations/storage_figures.h"
#include "server/operations/tally.h"

namespace onced {

struct Observed {
  std::string version;
  StorageFigures storage;
  Tally::Seen tally;
  // Of doors that are open.
  struct Connections {
    Door door = Door::kApi;
    uint64_t open = 0;
    uint64_t parked = 0;  // requests that wait for somebody else's run
  };
  std::vector<Connections> connections;
  // Of the gateway's routes.
  struct Upstream {
    std::string route;
    int breaker = 0;  // 0 closed, 1 open, 2 half open
    uint64_t opened = 0;
  };
  std::vector<Upstream> upstreams;
  uint64_t runs_under_way = 0;    // of the gateway
  bool reload_successful = true;  // the last one; with none, the start
  double reloaded_unix_s = 0;     // the last that was
  ProcessFigures process;
};

std::string MetricsText(const Observed& observed);

}  // namespace onced

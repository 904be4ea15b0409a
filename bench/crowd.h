// SPDX-License-Identifier: MIT
// Crowd: many clients that send the same request at once, from one thread, and when each had its
// answer.
//
// Threads: use from one.
#pragma once

#include <string>

namespace onced::bench {

struct CrowdTimes {
  double first_ms = 0;  // from the moment at which all had sent
  double last_ms = 0;
};

// Sends `request` on `clients` connections of their own and waits for an answer of status 200 on
// each; anything else, or nothing for 10 s, ends the benchmark.
CrowdTimes AskAtOnce(int port, int clients, const std::string& request);

}  // namespace onced::bench

// SPDX-License-Identifier: MIT
// Growth: what becomes of onced as it fills, and whether it stays as it is when as many keys end
// as begin.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onced::bench {

struct GrowthOptions {
  std::string onced;  // the program
  std::string raw;    // the file that lines are added to
  int seconds = 4;    // of each measurement
  std::vector<int64_t> sizes = {1'000'000};
};
// At each size, of one server: new claims a second and their 99th percentile, bytes on disk and in
// memory, how long it takes to start after a clean stop and after kill -9, and how many bytes have
// been written for each that was sent.
void MeasureGrowth(const GrowthOptions& options);

struct TurnoverOptions {
  std::string onced;
  std::string raw;
  int seconds = 60;
  int retention_seconds = 10;
  double per_second = 5'000;
};
// Claims at a fixed rate whose records end after `retention_seconds`, without audit: bytes on disk
// and the 99th percentile, tenth by tenth of the time. Prints by how much of itself each grows in a
// minute, once the first have ended.
void MeasureTurnover(const TurnoverOptions& options);

}  // namespace onced::bench

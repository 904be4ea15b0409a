// SPDX-License-Identifier: MIT
// RawResults: the file that a suite's part writes: one JSON object a line, a line for each run, and
// before them one for each system that could not be measured. report.py reads it.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "bench/load.h"
#include "bench/scripts.h"
#include "bench/systems.h"

namespace onced::bench {

// What was measured of one run; the part's own names beside it.
struct Run {
  std::string part;
  const SystemKind* kind = nullptr;
  int round = 0;
  LoadPlan plan;
  int times = 1;
  LoadResult load;
  int64_t keys = 0;            // different ones
  int64_t executions = 0;      // of the effect; keys when all is well
  int64_t keys_with_more = 0;  // than one
  int64_t refused = 0;         // told that another is at it
  double cpu_us = 0;           // of processor time an operation, of all the system's processes
  int64_t resident_kib = 0;    // at the end
};

class RawResults {
 public:
  explicit RawResults(const std::string& path);
  void NotRun(const std::string& part, const SystemKind& kind, const std::string& why);
  void Add(const Run& run);

 private:
  std::ofstream file_;
};

}  // namespace onced::bench

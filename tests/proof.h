// SPDX-License-Identifier: MIT
// Proof: a test that is run as often as there is time for: how often, from which seed, and the one
// line in which it says what it did, for the table at the end of tests/run.
//
// Threads: the test's own.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "tests/fixtures.h"

namespace onced {

class Proof {
 public:
  // `variable` of the environment says how often, where it is set.
  Proof(std::string name, const char* variable, uint64_t usual)
      : name_(std::move(name)), seed_(Seed(std::random_device{}())) {
    const char* const given = getenv(variable);
    rounds_ = given != nullptr ? std::strtoull(given, nullptr, 10) : usual;
  }
  ~Proof() {
    if (testing::Test::HasFailure() && failures == 0) failures = 1;
    std::printf("PROOF|%s|%llu|%llu|%llu|%llu|%s\n", name_.c_str(), Long(count), Long(faults),
                Long(failures), Long(seed_), remark.c_str());
  }
  Proof(const Proof&) = delete;
  Proof& operator=(const Proof&) = delete;

  uint64_t rounds() const { return rounds_; }
  uint64_t seed() const { return seed_; }

  uint64_t count = 0;
  uint64_t faults = 0;
  uint64_t failures = 0;
  std::string remark;

 private:
  static unsigned long long Long(uint64_t value) { return value; }

  const std::string name_;
  const uint64_t seed_;
  uint64_t rounds_ = 0;
};

}  // namespace onced

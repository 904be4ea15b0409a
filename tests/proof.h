// SPDX-License-Identifier: MIT
// Proof: a test that is run as often as there is time for: how often, from which seed, and the one
// line in which it says what it did, for the table at the end of tests/run.
//
// Threads: the test's own.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>
#include <string_view>

#include "tests/fixtures.h"

namespace onced {

// How often a test does a thing: what `variable` of the environment says, or `usual`. What is no
// number above 0 there ends the program: it would be a proof of nothing.
inline uint64_t Count(const char* variable, uint64_t usual) {
  const char* const given = getenv(variable);
  if (given == nullptr) return usual;
  const std::string_view text = given;
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (whole && count > 0) return count;
  std::fprintf(stderr, "%s: not a whole number above 0: '%s'\n", variable, given);
  std::exit(2);
}

// The line. `seed` 0: it has none.
inline void Tell(const std::string& name, uint64_t count, uint64_t faults, uint64_t failures,
                 uint64_t seed, const std::string& remark = "") {
  std::printf("PROOF|%s|%s|%s|%s|%s|%s\n", name.c_str(), std::to_string(count).c_str(),
              std::to_string(faults).c_str(), std::to_string(failures).c_str(),
              std::to_string(seed).c_str(), remark.c_str());
}

class Proof {
 public:
  // `variable`, `usual`: see Count.
  Proof(std::string name, const char* variable, uint64_t usual)
      : name_(std::move(name)),
        seed_(Seed(std::random_device{}())),
        rounds_(Count(variable, usual)) {}
  ~Proof() {
    if (count == 0 && !testing::Test::IsSkipped()) ADD_FAILURE() << name_ << " was not tried once";
    // Also of one that an exception ends, which is a failure only when it has left the test.
    const bool failed = testing::Test::HasFailure() || std::uncaught_exceptions() > 0;
    if (failed && failures == 0) failures = 1;
    Tell(name_, count, faults, failures, seed_, remark);
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
  const std::string name_;
  const uint64_t seed_;
  const uint64_t rounds_;
};

}  // namespace onced

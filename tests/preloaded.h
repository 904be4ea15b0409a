// SPDX-License-Identifier: MIT
// Preloaded: programs that are started while it lives get the library of broken_sync.cc, and in
// their environment what it is to do.
//
// Threads: the main thread.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace onced {

class Preloaded {
 public:
  // `told`: a variable and its value each.
  explicit Preloaded(std::vector<std::pair<const char*, std::string>> told)
      : variables_(std::move(told)) {
    variables_.emplace_back("LD_PRELOAD", ONCED_BROKEN_SYNC);
    // ASan wants to be the first library; ours only stands in for single calls.
    variables_.emplace_back("ASAN_OPTIONS", "verify_asan_link_order=0");
    for (const auto& [name, value] : variables_) setenv(name, value.c_str(), 1);
  }
  ~Preloaded() {
    for (const auto& [name, value] : variables_) unsetenv(name);
  }
  Preloaded(const Preloaded&) = delete;
  Preloaded& operator=(const Preloaded&) = delete;

 private:
  std::vector<std::pair<const char*, std::string>> variables_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Table and ProgressBar: what a terminal is shown.
//
// Threads: use from one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace onced {

// What a terminal could take for a command, as '?': control characters, of Unicode's second set
// too.
std::string Shown(std::string text);

// Columns in line, in the order in which rows were added. What a terminal could take for a command
// is shown as '?'.
class Table {
 public:
  explicit Table(std::vector<std::string> head);  // empty: none
  void Add(std::vector<std::string> row);
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// One line on stderr, ten times a second at most, and only where that is a terminal.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  // `all` 0: nobody knows.
  void Show(uint64_t done_bytes, uint64_t all_bytes);
  void End();

 private:
  const std::string what_;
  const bool shown_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace onced

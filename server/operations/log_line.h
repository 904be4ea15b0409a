// SPDX-License-Identifier: MIT
// LogLine: one line for the operator, and how it is written: a JSON object for machines, short text
// for people.
//
// Threads: values and pure functions.
// Invariants: 1. Whatever the fields hold, the line is one line, of printable ASCII, of at most
// kLogLineMax bytes with its end: a pipe takes it whole or not at all. 2. A field that is empty, or
// -1, is not written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/operations/log_event.h"

namespace onced {

constexpr size_t kLogLineMax = 4'096;  // PIPE_BUF of Linux

enum class LogFormat : uint8_t { kAuto, kJson, kText };

struct LogLine {
  LogEvent event = LogEvent::kReady;
  std::string_view msg;
  std::string_view component;  // empty: the event's
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view span_id;
  std::string_view trace_flags;
  std::string_view method;
  std::string_view route;  // as configured, or as the API's table has it; never what a client sent
  int status = -1;
  std::string_view outcome;
  int64_t duration_us = -1;
  int64_t bytes_in = -1;
  int64_t bytes_out = -1;
  std::string_view remote;
  std::string_view upstream;
  std::string_view key_hash;
  std::string_view url;
  std::string_view error;
  int64_t suppressed = -1;
};

// Without the line's end. `unix_us`: when.
// REQUIRES: format is not kAuto.
std::string LogText(const LogLine& line, LogFormat format, int64_t unix_us);

// "2026-11-28T00:10:23.123456Z", with 3 or 6 digits after the point.
std::string InstantText(int64_t unix_us, int digits);

}  // namespace onced

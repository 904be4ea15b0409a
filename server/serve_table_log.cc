// SPDX-License-Identifier: MIT
// What onced says while it serves: the rows of the table that its log is asked by.
#include "server/serve_table.h"

namespace onced {

void ServeTable::AddLog() {
  ServeOptions* const o = &options_;
  rows_.Section("Log");
  rows_
      .Choice<LogFormat>(
          "log-format", &o->log_format,
          {{"auto", LogFormat::kAuto}, {"json", LogFormat::kJson}, {"text", LogFormat::kText}},
          "of the lines on stderr: auto is text on a terminal, else a JSON object a line")
      .For("who reads a pipe or a file by eye, or collects from a terminal");
  rows_
      .Choice<LogLevel>("log-level", &o->log_level,
                        {{"debug", LogLevel::kDebug},
                         {"info", LogLevel::kInfo},
                         {"warn", LogLevel::kWarn},
                         {"error", LogLevel::kError}},
                        "the least that is told")
      .For("who wants to hear of trouble only");
  rows_
      .Choice<AccessLines>(
          "access-log", &o->access.lines,
          {{"off", AccessLines::kOff},
           {"errors", AccessLines::kErrors},
           {"all", AccessLines::kAll}},
          "a line of each request over HTTP that failed or was slow (errors), of none, or of all")
      .For("who must show each request, at some cost, or counts failures elsewhere");
  rows_
      .Duration("slow-request", &o->access.slow, 0, 3'600'000,
                "how long a request takes that is told of as slow (0ms: none)")
      .For("whose callers wait less, or whose services take longer");
}

}  // namespace onced

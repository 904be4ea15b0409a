// SPDX-License-Identifier: MIT
// Journal: where onced's lines for its operator go: to stderr, one line each, and nowhere else.
//
// Saying something never waits for whoever reads stderr: lines stand in a queue of fixed length
// (spdlog's), and a thread of the log's own writes them. When nobody reads, the oldest are dropped
// and counted, and the count is told when somebody reads again. A stderr that is closed takes
// nothing, and does no harm.
//
// Threads: Say, Wants and SayLast from any. Made when SIGPIPE is ignored.
// Invariants: 1. No call but SayLast and the destructor waits, and these for half a second at most,
// whatever stderr is: none but the log's own thread ever writes to it. 2. Lines leave in the order
// in which they were said. 3. Each begins where a line does, whatever became of the one before.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "server/operations/log_line.h"

namespace onced {

class Journal {
 public:
  // `format`: kAuto is text on a terminal, and else JSON.
  Journal(LogFormat format, LogLevel least, int fd = 2);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  LogFormat format() const { return format_; }
  bool Wants(LogEvent event) const { return RowOf(event).level >= least_; }
  void Say(LogLine line);
  void Say(LogEvent event, const std::string& msg) { Say({.event = event, .msg = msg}); }
  // What the process says before it ends without another word: it is written when this returns,
  // unless nobody takes it.
  void SayLast(LogEvent event, const std::string& msg);
  // Several lines for people, as they are, in the place of kReady; in another format than text
  // nothing.
  void SayPlain(const std::string& text);

 private:
  // How many lines of an event may still be said in this second.
  struct Pace {
    std::atomic<int64_t> second{0};
    std::atomic<uint32_t> said{0};
    std::atomic<int64_t> suppressed{0};
  };
  class Writer;
  bool MayPass(LogEvent event, int64_t* suppressed);

  const LogFormat format_;
  const LogLevel least_;
  std::array<Pace, 32> paces_;
  const std::unique_ptr<Writer> writer_;
};

}  // namespace onced

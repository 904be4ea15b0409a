// SPDX-License-Identifier: MIT
// Child: another program that a benchmark runs beside itself, in a temporary folder: a server until
// it is told to stop, or a tool until it ends.
//
// Threads: use from one.
// Invariants: no child outlives its Child, and no folder its TempFolder, also when a run fails.
// What cannot be started or ends in failure ends the benchmark with a message, by way of the
// exception that main catches: there is nothing to be measured then.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace onced::bench {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Throws a Failure.
[[noreturn]] void Fail(const std::string& why);

// Below $TMPDIR, or else below /var/tmp: /tmp is in memory on many systems (on Debian 13 unless
// told otherwise), where a sync costs nothing and so measures nothing.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  bool is_in_memory() const;

 private:
  std::filesystem::path path_;
};

struct Command {
  std::vector<std::string> words;  // the program, by path or name, and its arguments
  bool as_postgres = false;        // PostgreSQL refuses to be root: then it is its own user
};

class Child {
 public:
  // What it prints goes to `log`, stdout and stderr.
  Child(const Command& command, const std::filesystem::path& log);
  ~Child();  // SIGTERM, and SIGKILL when that is not heeded for long
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Waits until `text` is in the log; returns what follows it on that line.
  std::string Await(const std::string& text) const;
  bool HasEnded() const;  // by itself
  std::string Log() const;
  // Processor time it has used.
  std::chrono::microseconds CpuTime() const;
  // That it has had written to storage.
  int64_t BytesWritten() const;
  // Kibibytes by their name in /proc/PID/status, such as VmRSS.
  int64_t Kibibytes(const std::string& name) const;
  // Sends it a signal and waits for its end. False when it had to be killed at last.
  bool End(int signal);
  // Waits for its end. True when it was a success.
  bool Join();

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

// Runs a tool to its end and returns what it printed.
std::string Output(const Command& command);

// The number behind `name` in what a program has told.
double NumberAfter(const std::string& text, const std::string& name);

// Whether a program of that name is on the PATH, or is the path of one.
bool CanRun(const std::string& program);

}  // namespace onced::bench

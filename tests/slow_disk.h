// SPDX-License-Identifier: MIT
// SlowDisk: the real program on a disk of the test's own making (broken_sync.cc): one whose syncs
// of logs are written down, and take their time where a test wants it, or one that holds them back.
//
// Threads: as Program; what is asked of a HeldProgram's disk from any.
// Invariants: only the program that is started here sees the library.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/preloaded.h"
#include "tests/program.h"

namespace onced {

inline int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

struct Moments {
  int64_t begin = 0;
  int64_t end = 0;
};
struct Sync : Moments {
  static constexpr int64_t kNever = INT64_MAX;  // it has not returned
  std::string path;
  bool OfLog() const { return path.ends_with(".log"); }
};

// `disk`: what the library is told, a variable and its value each.
inline std::unique_ptr<Program> StartOnSlowDisk(
    const std::string& data, const std::vector<std::pair<const char*, std::string>>& disk,
    const std::vector<std::string>& flags) {
  const Preloaded preloaded(disk);
  return std::make_unique<Program>(data, flags);
}

// What it has written of its syncs into the file that ONCED_SLOW_SYNC names, in the order in which
// they were called; of logs alone.
inline std::vector<Sync> SyncsIn(const std::string& trace) {
  std::vector<Sync> syncs;
  std::ifstream lines(trace);
  Sync sync;
  while (lines >> sync.begin >> sync.end && std::getline(lines >> std::ws, sync.path)) {
    const auto called = std::find_if(syncs.rbegin(), syncs.rend(), [&](const Sync& other) {
      return other.begin == sync.begin && other.path == sync.path;
    });
    if (sync.end == 0) {
      sync.end = Sync::kNever;
      syncs.push_back(sync);
    } else if (called != syncs.rend()) {
      called->end = sync.end;
    }
  }
  return syncs;
}
inline std::vector<Sync> LogSyncsIn(const std::string& trace) {
  std::vector<Sync> syncs = SyncsIn(trace);
  std::erase_if(syncs, [](const Sync& sync) { return !sync.OfLog(); });
  return syncs;
}

// The program in sync mode, on a disk that does not return from a sync, or whatever else `what`
// holds, while it is told to hold.
class HeldProgram {
 public:
  explicit HeldProgram(const std::vector<std::string>& more = {},
                       const char* what = "ONCED_HOLD_SYNC") {
    std::filesystem::create_directories(folder_.path());
    std::vector<std::string> flags{"--durability", "sync", "--redis", "127.0.0.1:0"};
    flags.insert(flags.end(), more.begin(), more.end());
    program_ = StartOnSlowDisk(folder_.path() + "/data", {{what, hold_}}, flags);
    status_ = std::make_unique<Client>(program_->Connect());
  }
  const Program& operator*() const { return *program_; }
  const Program* operator->() const { return program_.get(); }

  void Hold() {
    std::filesystem::remove(hold_ + ".held");
    WriteFile(hold_, "");
  }
  void LetGo() { std::filesystem::remove(hold_); }
  Ended WaitForEnd() { return program_->WaitForEnd(); }
  std::string data() const { return folder_.path() + "/data"; }
  // A sync has come, and cannot return.
  bool IsHeld() const { return std::filesystem::exists(hold_ + ".held"); }
  std::string Status(const std::string& field) {
    return status_->Ask("GET", "/v1/status").Field("/" + field);
  }
  bool Becomes(const std::string& field, size_t count) {
    return Eventually([&] { return Status(field) == std::to_string(count); });
  }

 private:
  const TempFolder folder_;
  const std::string hold_ = folder_.path() + "/hold";
  std::unique_ptr<Program> program_;
  std::unique_ptr<Client> status_;
};

}  // namespace onced

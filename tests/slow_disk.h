// SPDX-License-Identifier: MIT
// The program on a disk that a test slows down or holds (broken_sync.cc).
//
// Threads: started on the main thread, as any Program; what is held may be let go on any.
// Invariants: no process outlives its object.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "tests/program.h"
#include "tests/redis.h"

namespace onced {

// The program with the library of broken_sync.cc, told `what` to do with the file at `path`.
inline std::unique_ptr<Program> StartOnSlowDisk(const TempFolder& folder, const char* what,
                                                const std::string& path, const Words& more = {}) {
  const std::pair<const char*, std::string> variables[] = {
      {"LD_PRELOAD", ONCED_BROKEN_SYNC},
      {what, path},
      // ASan wants to be the first library; ours only stands in for fdatasync.
      {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
  for (const auto& [name, value] : variables) setenv(name, value.c_str(), 1);
  Words flags{"--durability", "sync", "--redis", "127.0.0.1:0"};
  flags.insert(flags.end(), more.begin(), more.end());
  auto program = std::make_unique<Program>(folder.path() + "/data", flags);
  for (const auto& [name, value] : variables) unsetenv(name);
  return program;
}

// The program on a disk that does not return from a sync, or whatever else `what` holds, while a
// file is there.
class HeldDisk {
 public:
  explicit HeldDisk(const Words& more = {}, const char* what = "ONCED_HOLD_SYNC") {
    std::filesystem::create_directories(folder_.path());
    program_ = StartOnSlowDisk(folder_, what, hold_, more);
    status_ = std::make_unique<Client>(program_->Connect());
  }
  const Program& operator*() const { return *program_; }
  const Program* operator->() const { return program_.get(); }

  void Hold() {
    std::filesystem::remove(hold_ + ".held");
    WriteFile(hold_, "");
  }
  Ended WaitForEnd() { return program_->WaitForEnd(); }
  void LetGo() { std::filesystem::remove(hold_); }
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

// SPDX-License-Identifier: MIT
// Tortured: the real program and the world around it that a torture can change: its disk, which is
// a mounted image where the machine has them, its wall clock, where there is libfaketime, and the
// service behind its gateway.
//
// Threads: the main one; the upstream has threads of its own.
// Invariants: a cut comes while the program stands still, so no sync overlaps it: one that did may
// return 0 for bytes that are gone (see kernel_cut_test.cc).
#pragma once

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/mounted_image.h"
#include "tests/program.h"

namespace onced {

class ScriptedUpstream;

class Tortured {
 public:
  Tortured();
  ~Tortured();
  Tortured(const Tortured&) = delete;
  Tortured& operator=(const Tortured&) = delete;

  void Start(const std::string& durability);
  // kill -9. False: it had ended by itself, and what it said is printed.
  bool Kill();
  // The same, and the disk forgets what was not synced. Without an image it is a kill alone.
  bool CutPower();
  // Stops it, and lets it go on. False: it had ended by itself.
  bool Pause() const;
  void GoOn() const { program_->Signal(SIGCONT); }
  // Whether the program has said that its disk is full (507): never without an image. What it said
  // instead is printed.
  bool FillDisk();
  void EmptyDisk() const {
    if (disk_.made()) disk_.Empty();
  }
  // Whether each of its doors takes a write: at once, or within kPatience, for RocksDB looks for
  // room every five seconds. What does not is printed.
  bool TakesWrites();
  // How far its wall clock is off: "+30d", "-1h". Whether the program has told that time, and had
  // told another before: never without libfaketime.
  bool SetClock(const std::string& offset) const;

  bool CanCutAndFill() const { return disk_.made(); }
  bool CanSetClock() const { return !faketime_.empty(); }

  uint16_t http_port() const { return program_->port(); }
  uint16_t redis_port() const { return redis_port_; }
  uint16_t gateway_port() const { return gateway_port_; }
  // How often each key has come to the service behind the gateway.
  std::map<std::string, size_t> RunsByKey() const;
  // What of this cannot be done here; "": nothing.
  std::string Lacks() const;

 private:
  std::string DataFolder() const;
  void WriteClock(const std::string& offset) const;
  std::optional<int64_t> ClockIsOffMs() const;
  std::string NextProbe() { return "probe-" + std::to_string(probes_++); }

  TempFolder folder_;
  MountedImage disk_{"ext4"};
  const std::string faketime_;  // the library; "": there is none
  const std::unique_ptr<ScriptedUpstream> upstream_;
  std::unique_ptr<Program> program_;
  uint16_t redis_port_ = 0;
  uint16_t gateway_port_ = 0;
  size_t probes_ = 0;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "tests/tortured.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tests/gateway.h"
#include "tests/redis.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

// Debian keeps it in a folder for each kind of machine.
std::string FindFaketime() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib", error)) {
    const fs::path library = entry.path() / "faketime/libfaketime.so.1";
    if (fs::exists(library, error)) return library.string();
  }
  return "";
}

}  // namespace

Tortured::Tortured() : faketime_(FindFaketime()), upstream_(std::make_unique<ScriptedUpstream>()) {
  fs::create_directories(folder_.path());
  SetClock("+0");
}

Tortured::~Tortured() = default;

std::map<std::string, size_t> Tortured::RunsByKey() const {
  std::map<std::string, size_t> runs;
  for (const Seen& seen : upstream_->requests()) ++runs[seen.Header("Idempotency-Key")];
  return runs;
}

std::string Tortured::DataFolder() const {
  return disk_.made() ? disk_.Point() + "/data" : folder_.path() + "/data";
}

std::string Tortured::Lacks() const {
  std::string lacks = disk_.made() ? "" : disk_.why() + ": kills for power cuts, no full disk";
  if (faketime_.empty()) lacks += std::string(lacks.empty() ? "" : "; ") + "no libfaketime";
  return lacks;
}

void Tortured::SetClock(const std::string& offset) const {
  const std::string clock = folder_.path() + "/clock";
  WriteFile(clock + ".new", offset + "\n");
  fs::rename(clock + ".new", clock);
}

void Tortured::Start(const std::string& durability) {
  // Only what is started now gets to see these.
  const std::pair<const char*, std::string> variables[] = {
      {"LD_PRELOAD", faketime_},
      {"FAKETIME_TIMESTAMP_FILE", folder_.path() + "/clock"},
      {"FAKETIME_CACHE_DURATION", "1"},
      {"DONT_FAKE_MONOTONIC", "1"}};
  if (!faketime_.empty()) {
    for (const auto& [name, value] : variables) setenv(name, value.c_str(), 1);
  }
  program_ = std::make_unique<Program>(
      DataFolder(), std::vector<std::string>{"--redis", "127.0.0.1:0", "--gateway", "127.0.0.1:0",
                                             "--upstream", upstream_->url(), "--footprint", "edge",
                                             "--durability", durability});
  for (const auto& [name, value] : variables) unsetenv(name);
  redis_port_ = RedisPortOf(*program_);
  gateway_port_ = GatewayPort(*program_);
  if (redis_port_ == 0 || gateway_port_ == 0)
    throw std::runtime_error("no doors: " + program_->Said());
}

bool Tortured::Kill() {
  program_->Signal(SIGKILL);
  const Ended ended = program_->WaitForEnd();
  if (ended.code == -SIGKILL) return true;
  std::printf("it had ended by itself (%d): %s\n", ended.code, ended.err.c_str());
  return false;
}

bool Tortured::CutPower() {
  if (!disk_.made()) return Kill();
  program_->Signal(SIGSTOP);
  siginfo_t how{};
  const auto pid = static_cast<id_t>(program_->pid());
  if (waitid(P_PID, pid, &how, WSTOPPED | WEXITED | WNOWAIT) != 0) {
    throw std::runtime_error("the program does not stop");
  }
  if (!disk_.Forget()) throw std::runtime_error("the disk does not forget");
  const bool stood = Kill();
  if (!Eventually([this] { return disk_.Unmount(); }) || !disk_.Mount()) {
    throw std::runtime_error("the disk does not come back");
  }
  return stood;
}

}  // namespace onced

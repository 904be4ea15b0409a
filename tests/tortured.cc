// SPDX-License-Identifier: MIT
#include "tests/tortured.h"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tests/gateway.h"
#include "tests/redis.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kClockErrorMs = 400;  // less than half of the smallest jump
constexpr std::chrono::milliseconds kClockPatience{kClockErrorMs / 2};

// Debian keeps it in a folder for each kind of machine.
std::string FindFaketime() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib", error)) {
    const fs::path library = entry.path() / "faketime/libfaketime.so.1";
    if (fs::exists(library, error)) return library.string();
  }
  return "";
}

// "-30d".
int64_t MsOf(const std::string& offset) {
  const int64_t unit_ms = offset.ends_with('d')   ? 86'400'000
                          : offset.ends_with('h') ? 3'600'000
                                                  : 1'000;
  return std::stoll(offset) * unit_ms;
}

}  // namespace

Tortured::Tortured() : faketime_(FindFaketime()), upstream_(std::make_unique<ScriptedUpstream>()) {
  fs::create_directories(folder_.path());
  WriteClock("+0");
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

void Tortured::WriteClock(const std::string& offset) const {
  const std::string clock = folder_.path() + "/clock";
  WriteFile(clock + ".new", offset + "\n");
  fs::rename(clock + ".new", clock);
}

// By the Redis command TIME, which tells the wall clock as it is. None: it was not told, or so late
// that it says little.
std::optional<int64_t> Tortured::ClockIsOffMs() const {
  RespClient client(redis_port_);
  const auto begun = std::chrono::steady_clock::now();
  const std::string told = client.Ask(Words{"TIME"});
  if (std::chrono::steady_clock::now() - begun > kClockPatience) return std::nullopt;
  long long seconds = 0;
  long long micros = 0;
  if (std::sscanf(told.c_str(), "*2\r\n$%*d\r\n%lld\r\n$%*d\r\n%lld", &seconds, &micros) != 2) {
    return std::nullopt;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return seconds * 1'000 + micros / 1'000 -
         std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool Tortured::SetClock(const std::string& offset) const {
  if (!CanSetClock()) return false;
  std::optional<int64_t> before;
  if (!Eventually([&] { return (before = ClockIsOffMs()).has_value(); })) return false;
  const int64_t wanted = MsOf(offset);
  WriteClock(offset);
  const auto near = [](const std::optional<int64_t>& off, int64_t ms) {
    return off.has_value() && std::abs(*off - ms) < kClockErrorMs;
  };
  return !near(before, wanted) && Eventually([&] { return near(ClockIsOffMs(), wanted); });
}

bool Tortured::FillDisk() {
  if (!disk_.made()) return false;
  Client client(http_port());
  HttpAnswer told;
  (void)Eventually([&] {
    // What it has just taken away itself has made room.
    disk_.Fill();
    told = client.Ask("POST", "/v1/claim", Json("{'key':'" + NextProbe() + "'}"));
    return told.status != 201 && told.Field("/code") != "overloaded";
  });
  if (told.status == 507 && told.Field("/code") == "storage_full") return true;
  std::printf("with its disk full it said %d: %s\n", told.status, told.body.c_str());
  return false;
}

bool Tortured::TakesWrites() {
  Client http(http_port());
  Client gateway(gateway_port_);
  RespClient redis(redis_port_);
  HttpAnswer claimed;
  HttpAnswer paid;
  std::string set;
  const bool all = Eventually([&] {
                     claimed = http.Ask("POST", "/v1/claim", Json("{'key':'" + NextProbe() + "'}"));
                     return claimed.status == 201;
                   }) &&
                   Eventually([&] {
                     return (set = redis.Ask({"SET", NextProbe(), "v"})) == "+OK\r\n";
                   }) &&
                   Eventually([&] {
                     paid = gateway.Ask("POST", "/pay", "{}", Keyed(NextProbe()));
                     return paid.status >= 200 && paid.status < 300;
                   });
  if (!all) {
    std::printf("it does not take writes: claim %d %s, SET %s, payment %d %s\n", claimed.status,
                claimed.body.c_str(), set.c_str(), paid.status, paid.body.c_str());
  }
  return all;
}

bool Tortured::Pause() const {
  program_->Signal(SIGSTOP);
  siginfo_t how{};
  const auto pid = static_cast<id_t>(program_->pid());
  if (waitid(P_PID, pid, &how, WSTOPPED | WEXITED | WNOWAIT) != 0) {
    throw std::runtime_error("the program does not stop");
  }
  return how.si_code == CLD_STOPPED;
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
  if (!Pause()) return Kill();
  if (!disk_.Forget()) throw std::runtime_error("the disk does not forget");
  const bool stood = Kill();
  if (!Eventually([this] { return disk_.Unmount(); }) || !disk_.Mount()) {
    throw std::runtime_error("the disk does not come back");
  }
  return stood;
}

}  // namespace onced

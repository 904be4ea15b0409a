// SPDX-License-Identifier: MIT
// Scripts: the scripts that tenants have given, and the one that runs.
//
// A tenant's scripts and its Lua are its own. They are kept in memory, within bounds, and not
// beyond the process: clients are answered NOSCRIPT, and give them again.
//
// A script that takes long has the door answer others BUSY meanwhile, until it ends or is ended: by
// SCRIPT KILL of its tenant, by the door's end, or because it has run for kRunMax. What an ended
// script has changed is undone.
//
// Threads: the door's one; EndAll from any.
// Invariants: one script runs at a time; while it runs, no other command touches a key.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/redis/command.h"
#include "server/redis/lua/machine.h"

namespace onced::redis {

class Scripts {
 public:
  static constexpr size_t kScriptsMax = 1'000;  // of a tenant; the oldest go
  static constexpr size_t kTextMax = size_t{16} << 20;
  static constexpr std::chrono::seconds kRunMax{60};

  // `meanwhile` is called while a script runs that takes long: others are to be answered.
  Scripts(bool allowed, std::function<void()> meanwhile)
      : allowed_(allowed), meanwhile_(std::move(meanwhile)) {}

  bool allowed() const { return allowed_; }

  // Keeps a script and returns its SHA-1 in hex; or "", and what is wrong with it.
  std::string Load(std::string_view tenant, std::string_view text, std::string* error);
  bool Has(std::string_view tenant, std::string_view sha) const;
  void Flush(std::string_view tenant);
  size_t Count() const;

  // Runs a script that there is, for the command `call`, and answers.
  void Run(Call& call, const std::string& sha, Arguments keys, Arguments arguments, bool read_only);

  // Whether a script runs that takes so long that others are answered BUSY.
  bool is_busy() const { return running_ != nullptr && is_slow_; }
  enum class Kill : uint8_t { kDone, kNoneRuns, kOfAnother };
  Kill KillOf(std::string_view tenant);
  // No script goes on, and none begins.
  void EndAll() { ending_ = true; }

  // After how long its scripts take long; Redis' busy-reply-threshold. 0: at once.
  std::chrono::milliseconds BusyAfter(std::string_view tenant) const;
  void SetBusyAfter(std::string_view tenant, std::chrono::milliseconds after);

 private:
  struct Script {
    std::string body;            // without the line that tells its language and whether it writes
    std::optional<bool> writes;  // absent: it has no such line
  };
  struct Tenant {
    std::unordered_map<std::string, Script> scripts;
    std::deque<std::string> in_order;
    size_t text_bytes = 0;
    std::chrono::milliseconds busy_after{5'000};
    std::unique_ptr<lua::Machine> machine;  // made when it is needed
  };
  class Host;

  Tenant& Of(std::string_view tenant) {
    return tenants_.try_emplace(std::string(tenant)).first->second;
  }
  const Tenant* Find(std::string_view tenant) const;
  std::string Compile(Tenant& tenant, const std::string& sha, const Script& script);
  void MakeRoom(Tenant& tenant, size_t bytes);

  const bool allowed_;
  const std::function<void()> meanwhile_;
  std::map<std::string, Tenant, std::less<>> tenants_;
  Host* running_ = nullptr;
  bool is_slow_ = false;
  std::atomic<bool> ending_{false};
};

}  // namespace onced::redis

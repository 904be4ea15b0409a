// SPDX-License-Identifier: MIT
#include "server/redis/scripts.h"

#include <algorithm>
#include <utility>

#include "server/redis/client_commands.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kKilled = "Script killed by user with SCRIPT KILL...";
constexpr std::string_view kTooLong = "Script ended: it ran for more than 60 seconds.";
constexpr std::string_view kEnding = "Script ended: the server is shutting down.";

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t end = std::min(text.find(at), text.size());
    if (end > 0) pieces.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pieces;
}

// What a first line `#!lua flags=...` says; "" or what is wrong with it.
std::string ReadFirstLine(std::string_view line, std::optional<bool>* writes) {
  *writes = true;
  const std::vector<std::string_view> words = Split(line, ' ');
  if (words.empty() || words[0] != "#!lua") {
    return "Unexpected engine in script shebang: " + std::string(words.empty() ? "" : words[0]);
  }
  for (const std::string_view word : std::span(words).subspan(1)) {
    constexpr std::string_view kFlagsWord = "flags=";
    if (!word.starts_with(kFlagsWord)) {
      return "Unknown lua shebang option: " + std::string(word);
    }
    for (const std::string_view flag : Split(word.substr(kFlagsWord.size()), ',')) {
      constexpr std::string_view kFlags[] = {"allow-oom", "allow-stale", "no-cluster",
                                             "allow-cross-slot-keys", "no-writes"};
      if (std::find(std::begin(kFlags), std::end(kFlags), flag) == std::end(kFlags)) {
        return "Unexpected flag in script shebang: " + std::string(flag);
      }
      if (flag == "no-writes") *writes = false;
    }
  }
  return "";
}

// To tell who listens is no read either.
bool ChangesOrTells(const Command& command) {
  return (command.flags & kWrite) != 0 || command.name == "publish";
}

}  // namespace

// What a script asks for, done in the name of the session that runs it.
class Scripts::Host : public lua::Host {
 public:
  Host(Scripts& scripts, Call& call, bool read_only, milliseconds busy_after)
      : scripts_(scripts), call_(call), read_only_(read_only), busy_after_(busy_after) {
    // What it selects is its own.
    session_.tenant = call.session.tenant;
    session_.user = call.session.user;
    session_.db = call.session.db;
  }

  void Run(Arguments arguments, int protocol, std::string* reply) override {
    session_.protocol = protocol;
    const Command* const command = Allowed(arguments, reply);
    if (command != nullptr) call_.redis.RunNow(&session_, *command, arguments, reply);
  }
  bool Has(std::string_view command) const override { return FindCommand(command) != nullptr; }
  void Log(int level, std::string_view text) override {
    constexpr int kNotice = 2;
    constexpr size_t kShownMax = 256;
    const auto& report = call_.redis.options().report;
    if (level < kNotice || !report) return;
    report(LogEvent::kScriptLog, "a script says: " + std::string(text.substr(0, kShownMax)));
  }
  std::string_view WhyEnd() override {
    const auto now = steady_clock::now();
    if (now - since_ > busy_after_) {
      scripts_.is_slow_ = true;
      if (scripts_.meanwhile_) scripts_.meanwhile_();
    }
    if (scripts_.ending_) return kEnding;
    if (killed_) return kKilled;
    return now - since_ > kRunMax ? kTooLong : "";
  }

  void KillIt() { killed_ = true; }
  const std::string& tenant() const { return session_.tenant; }

 private:
  // nullptr: answered.
  const Command* Allowed(Arguments arguments, std::string* out) {
    Reply reply(out, session_.protocol);
    const Command* command = FindCommand(arguments[0]);
    if (command != nullptr && !command->subcommands.empty() && arguments.size() > 1) {
      command = FindSubcommand(*command, arguments[1]);
    }
    if (command == nullptr) {
      reply.Error("ERR Unknown Redis command called from script");
    } else if (!command->Takes(arguments.size()) || command->run == nullptr) {
      reply.Error("ERR Wrong number of args calling Redis command from script");
    } else if ((command->flags & kNoScript) != 0) {
      reply.Error("ERR This Redis command is not allowed from script");
    } else if (read_only_ && ChangesOrTells(*command)) {
      reply.Error("ERR Write commands are not allowed from read-only scripts.");
    } else {
      return command;
    }
    return nullptr;
  }

  Scripts& scripts_;
  Call& call_;
  const bool read_only_;
  const milliseconds busy_after_;
  const steady_clock::time_point since_ = steady_clock::now();
  Session session_;
  bool killed_ = false;
};

const Scripts::Tenant* Scripts::Find(std::string_view tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? nullptr : &found->second;
}

std::string Scripts::Compile(Tenant& tenant, const std::string& sha, const Script& script) {
  if (tenant.machine == nullptr) tenant.machine = std::make_unique<lua::Machine>(kRedisVersion);
  if (tenant.machine->HasCompiled(sha)) return "";
  std::string wrong = tenant.machine->Compile(sha, script.body);
  if (wrong == lua::Machine::kNoMemory) {
    // It is full of what was compiled before, which is compiled again when it is asked for.
    tenant.machine = std::make_unique<lua::Machine>(kRedisVersion);
    wrong = tenant.machine->Compile(sha, script.body);
  }
  return wrong;
}

void Scripts::MakeRoom(Tenant& tenant, size_t bytes) {
  while (!tenant.in_order.empty() &&
         (tenant.in_order.size() >= kScriptsMax || tenant.text_bytes + bytes > kTextMax)) {
    const auto oldest = tenant.scripts.find(tenant.in_order.front());
    tenant.text_bytes -= oldest->second.body.size();
    if (tenant.machine != nullptr) tenant.machine->Forget(oldest->first);
    tenant.scripts.erase(oldest);
    tenant.in_order.pop_front();
  }
}

std::string Scripts::Load(std::string_view tenant_name, std::string_view text, std::string* error) {
  Tenant& tenant = Of(tenant_name);
  std::string sha = lua::Sha1Hex(text);
  if (tenant.scripts.contains(sha)) return sha;
  Script script;
  if (text.starts_with("#!")) {
    const size_t end = text.find('\n');
    *error = end == text.npos ? "Invalid script shebang"
                              : ReadFirstLine(text.substr(0, end), &script.writes);
    if (!error->empty()) return "";
    text.remove_prefix(end);
  }
  if (text.size() > kTextMax) {
    *error = "a script is at most 16777216 bytes long";
    return "";
  }
  script.body = text;
  const std::string wrong = Compile(tenant, sha, script);
  if (!wrong.empty()) {
    *error = "Error compiling script (new function): " + wrong;
    return "";
  }
  MakeRoom(tenant, script.body.size());
  tenant.text_bytes += script.body.size();
  tenant.in_order.push_back(sha);
  tenant.scripts.emplace(sha, std::move(script));
  return sha;
}

bool Scripts::Has(std::string_view tenant, std::string_view sha) const {
  const Tenant* const found = Find(tenant);
  return found != nullptr && found->scripts.contains(std::string(sha));
}

void Scripts::Flush(std::string_view tenant_name) {
  Tenant& tenant = Of(tenant_name);
  tenant.scripts.clear();
  tenant.in_order.clear();
  tenant.text_bytes = 0;
  tenant.machine.reset();
}

size_t Scripts::Count() const {
  size_t count = 0;
  for (const auto& [name, tenant] : tenants_) count += tenant.scripts.size();
  return count;
}

void Scripts::Run(Call& call, const std::string& sha, Arguments keys, Arguments arguments,
                  bool read_only) {
  Tenant& tenant = Of(call.session.tenant);
  const Script& script = tenant.scripts.at(sha);
  const std::string wrong = Compile(tenant, sha, script);  // again, when its machine is another
  if (!wrong.empty()) {
    return call.reply.Error("ERR Error compiling script (new function): " + wrong);
  }
  if (read_only && script.writes.value_or(false)) {
    return call.reply.Error("ERR Can not execute a script with write flag using *_ro command.");
  }
  Host host(*this, call, read_only || !script.writes.value_or(true), tenant.busy_after);
  running_ = &host;
  is_slow_ = false;
  call.data.keyspace().Mark();
  const lua::Machine::Ended ended = tenant.machine->Run(sha, keys, arguments, &host, &call.reply);
  running_ = nullptr;
  if (ended == lua::Machine::Ended::kItself) {
    call.data.keyspace().ForgetMark();
  } else {
    call.data.keyspace().GoBack();
  }
  if (ended == lua::Machine::Ended::kOutOfMemory) tenant.machine.reset();
}

Scripts::Kill Scripts::KillOf(std::string_view tenant) {
  if (running_ == nullptr) return Kill::kNoneRuns;
  if (running_->tenant() != tenant) return Kill::kOfAnother;
  running_->KillIt();
  return Kill::kDone;
}

milliseconds Scripts::BusyAfter(std::string_view tenant) const {
  const Tenant* const found = Find(tenant);
  return found == nullptr ? Tenant().busy_after : found->busy_after;
}

void Scripts::SetBusyAfter(std::string_view tenant, milliseconds after) {
  Of(tenant).busy_after = after;
}

}  // namespace onced::redis

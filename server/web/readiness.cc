// SPDX-License-Identifier: MIT
#include "server/web/readiness.h"

#include <algorithm>
#include <utility>

#include "server/json/json_writer.h"

namespace onced {
namespace {

using CheckState = ReadyCheck::State;

ReadyCheck Judged(std::string_view name, bool failed, std::string why) {
  if (!failed) return {.name = name};
  return {.name = name, .state = CheckState::kFailed, .why = std::move(why)};
}

std::string Seconds(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

const char* Word(CheckState state) {
  switch (state) {
    case CheckState::kOk:
      return "ok";
    case CheckState::kWarning:
      return "warning";
    case CheckState::kFailed:
      break;
  }
  return "failed";
}

std::string Line(const ReadyCheck& check) {
  const std::string name(check.name);
  if (check.state == CheckState::kOk) return "[+]" + name + " ok\n";
  if (check.state == CheckState::kWarning) return "[!]" + name + " " + check.why + "\n";
  return "[-]" + name + " failed: " + check.why + "\n";
}

std::string AsText(const std::vector<ReadyCheck>& checks, bool ready, bool verbose) {
  std::string text = ready ? "ok\n" : "not ready\n";
  for (const ReadyCheck& check : checks) {
    if (verbose || check.state == CheckState::kFailed) text += Line(check);
  }
  return text;
}

std::string AsJson(const std::vector<ReadyCheck>& checks, bool ready) {
  JsonWriter w;
  w.Field("ready", ready).BeginArray("checks");
  for (const ReadyCheck& check : checks) {
    w.BeginObject().Field("name", check.name).Field("state", Word(check.state));
    if (!check.why.empty()) w.Field("detail", check.why);
    w.EndObject();
  }
  return w.EndArray().Take();
}

}  // namespace

std::vector<ReadyCheck> ReadyChecks(const StoreReadiness& store, bool draining) {
  std::vector<ReadyCheck> checks;
  checks.push_back({.name = "recovering"});
  checks.push_back(Judged("storage_read", store.read_failed || store.since_read >= kDiskPatience,
                          store.read_failed ? "the high-water mark cannot be read"
                                            : "nothing was read for " + Seconds(store.since_read)));
  checks.push_back(
      Judged("storage_write", store.writes_parked || store.writes_stopped,
             store.writes_parked ? "a write has found no room" : "compactions are too far behind"));
  checks.push_back(Judged("log_sync", store.in_sync >= kDiskPatience,
                          "a sync has gone on for " + Seconds(store.in_sync)));
  checks.push_back(Judged("disk_space", store.space_low, "the disk is nearly full"));
  checks.push_back(Judged("draining", draining, "it is about to stop"));
  // A clock in doubt runs on safely; somebody should look at it all the same.
  checks.push_back({.name = "clock"});
  if (store.clock_in_doubt) checks.back() = {"clock", CheckState::kWarning, "in doubt"};
  return checks;
}

std::vector<ReadyCheck> DatabaseChecks(const DatabaseFigures& database, bool draining) {
  return {{.name = "recovering"},
          Judged("database", !database.answers(),
                 database.failed ? "it does not answer"
                                 : "it has not answered for " + Seconds(database.since_answer)),
          Judged("draining", draining, "it is about to stop")};
}

std::vector<ReadyCheck> RecoveringChecks() {
  return {Judged("recovering", true, "the store is being opened")};
}

Answer ReadyAnswer(std::vector<ReadyCheck> checks, const ReadyQuestion& question) {
  const auto find = [&](std::string_view name) {
    return std::find_if(checks.begin(), checks.end(),
                        [&](const ReadyCheck& check) { return check.name == name; });
  };
  std::string_view rest = question.excluded;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto found = find(name);
    if (found == checks.end()) {
      return ProblemOf("invalid_request", "exclude: there is no such check, or it is named twice");
    }
    checks.erase(found);
  }
  if (!question.only.empty()) {
    const auto found = find(question.only);
    if (found == checks.end()) return ProblemOf("not_found", "there is no such check");
    checks = {*found};
  }
  const bool ready = std::none_of(checks.begin(), checks.end(), [](const ReadyCheck& check) {
    return check.state == CheckState::kFailed;
  });
  Answer answer{.status = ready ? 200 : 503};
  if (question.json) {
    answer.body = AsJson(checks, ready);
  } else {
    answer.type = "text/plain";
    answer.body = AsText(checks, ready, question.verbose);
  }
  return answer;
}

bool WantsJson(std::string_view accept) {
  return accept.find("application/json") != std::string_view::npos;
}

}  // namespace onced

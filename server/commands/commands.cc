// SPDX-License-Identifier: MIT
#include "server/commands/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/backup.h"
#include "engine/postgres_schema.h"
#include "server/commands/table.h"
#include "server/database_storage.h"
#include "server/json/json_writer.h"
#include "server/options.h"
#include "server/serve.h"

namespace onced {
namespace {

using Json = nlohmann::json;
using Verb = CommandOptions::Verb;

// `why` may have words of others.
int Failed(int code, const std::string& why) {
  std::fprintf(stderr, "onced: %s\n", Shown(why).c_str());
  return code;
}

int Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  if (std::fflush(stdout) == 0) return kExitOk;
  return Failed(kExitFailure, std::string("stdout: ") + std::strerror(errno));
}

// A member as people read it; "" when it is not there.
std::string Text(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

// Of a problem document, in one line.
std::string Complaint(const ApiClient::Reply& reply) {
  const Json problem = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  const std::string detail = problem.is_object() ? Text(problem, "detail") : "";
  return std::to_string(reply.status) + (detail.empty() ? "" : ": " + detail);
}

class Session {
 public:
  Session(const CommandOptions& options, std::unique_ptr<ApiClient> client)
      : o_(options), client_(std::move(client)) {}

  int Run() {
    switch (o_.verb) {
      case Verb::kList:
        return List();
      case Verb::kGet:
        return Get();
      case Verb::kHistory:
        return History();
      case Verb::kResolve:
        return Resolve();
      case Verb::kForget:
        return Forget();
      case Verb::kStats:
        return Stats();
      case Verb::kHealth:
        return Health();
      case Verb::kKeygen:
        return Keygen();
      case Verb::kBackup:
        return Backup();
      case Verb::kNone:
      case Verb::kVerify:
      case Verb::kRestore:
      case Verb::kMigrate:
        break;
    }
    return kExitUsage;
  }

 private:
  int NotAsOnced() const {
    return Failed(kExitFailure, client_->url() + " does not answer as a onced does");
  }

  // Asks, and gives what came to `use`, or tells why not. An answer of success is a JSON object
  // with the member `has`; or, for has "", nothing at all (204). Whatever else answers there (a
  // proxy, another program) must not pass for a onced that has done it.
  template <typename Use>
  int Ask(const char* method, const std::string& target, const std::string& body, const char* has,
          const Use& use, std::chrono::seconds patience = std::chrono::seconds(60)) {
    const Result<ApiClient::Reply> reply = client_->Ask(method, target, body, patience);
    if (!reply.ok()) return Failed(kExitFailure, reply.status().message());
    if (reply->status < 200 || reply->status > 299) return Failed(kExitFailure, Complaint(*reply));
    const Json answer = Json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
    const bool as_onced = *has == '\0' ? reply->status == 204 && reply->body.empty()
                                       : answer.is_object() && answer.contains(has);
    return as_onced ? use(answer, reply->body) : NotAsOnced();
  }

  std::string Query(std::vector<std::pair<std::string, std::string>> values) const {
    if (!o_.tenant.empty()) values.emplace_back("tenant", o_.tenant);
    std::string query;
    for (const auto& [name, value] : values) {
      query += (query.empty() ? "?" : "&") + name + "=" + ApiClient::Escaped(value);
    }
    return query;
  }
  std::string Target(const std::string& more) const {
    return "/v1/keys/" + ApiClient::Escaped(o_.key) + more;
  }

  int List() {
    Table table({"KEY", "SCOPE", "STATE", "ATTEMPT", "CLAIMED", "EXPIRES", "HOLDER"});
    Json all = Json::array();
    std::string cursor;
    uint32_t left = o_.limit;
    do {
      std::vector<std::pair<std::string, std::string>> values = {
          {"limit", std::to_string(std::min<uint32_t>(left, 1'000))}};
      if (o_.scope_prefix.empty()) {
        values.emplace_back("scope", o_.scope);
      } else {
        values.emplace_back("scope_prefix", o_.scope_prefix);
      }
      if (!o_.prefix.empty()) values.emplace_back("prefix", o_.prefix);
      if (!o_.state.empty()) values.emplace_back("state", o_.state);
      if (!cursor.empty()) values.emplace_back("cursor", cursor);
      const int code = Ask("GET", "/v1/keys" + Query(values), "", "keys",
                           [&](const Json& answer, const std::string&) -> int {
                             if (!AreObjects(answer["keys"])) return NotAsOnced();
                             for (const Json& key : answer["keys"]) {
                               AddRow(key, &table);
                               all.push_back(key);
                             }
                             cursor = Text(answer, "cursor");
                             return kExitOk;
                           });
      if (code != kExitOk) return code;
      left = o_.limit - static_cast<uint32_t>(std::min<size_t>(all.size(), o_.limit));
    } while (!cursor.empty() && left > 0);
    if (o_.json) return Print(Json{{"schema", 1}, {"keys", all}}.dump() + "\n");
    return Print(table.Text());
  }

  static bool AreObjects(const Json& list) {
    return list.is_array() &&
           std::all_of(list.begin(), list.end(), [](const Json& one) { return one.is_object(); });
  }

  static void AddRow(const Json& key, Table* table) {
    const bool lapsed = Text(key, "lapsed") == "true";
    table->Add({Text(key, "key"), Text(key, "scope"),
                Text(key, "state") + (lapsed ? " (lapsed)" : ""), Text(key, "attempt"),
                Text(key, "claimed_at"), Text(key, "expires_at"), Text(key, "holder")});
  }

  int Get() {
    return Ask("GET", Target(Query({{"scope", o_.scope}})), "", "state",
               [&](const Json& answer, const std::string& body) {
                 if (o_.json) return Print(body + "\n");
                 Table table({});
                 for (const auto& [name, value] : answer.items()) {
                   table.Add({name, Text(answer, name.c_str())});
                 }
                 return Print(table.Text());
               });
  }

  int History() {
    return Ask("GET", Target("/history" + Query({{"scope", o_.scope}})), "", "events",
               [&](const Json& answer, const std::string& body) {
                 if (!AreObjects(answer["events"])) return NotAsOnced();
                 if (o_.json) return Print(body + "\n");
                 Table table({"AT", "EVENT", "ATTEMPT", "FENCE", "HOLDER"});
                 for (const Json& event : answer["events"]) {
                   table.Add({Text(event, "at"), Text(event, "type"), Text(event, "attempt"),
                              Text(event, "fence"), Text(event, "holder")});
                 }
                 return Print(table.Text());
               });
  }

  int Resolve() {
    if (!o_.result.empty() && !Json::accept(o_.result)) {
      return Failed(kExitUsage, "--result: is no JSON");
    }
    JsonWriter w;
    w.Field("key", o_.key).Field("scope", o_.scope).Field("decision", o_.decision);
    if (!o_.tenant.empty()) w.Field("tenant", o_.tenant);
    if (!o_.result.empty()) w.RawField("result", o_.result);  // byte for byte, as it is kept
    return Ask("POST", "/v1/resolve", w.Take(), "outcome",
               [&](const Json&, const std::string& answer) {
                 return Print(o_.json ? answer + "\n" : o_.key + ": " + o_.decision + "\n");
               });
  }

  int Forget() {
    std::vector<std::pair<std::string, std::string>> values = {{"scope", o_.scope}};
    if (o_.force) values.emplace_back("force", "true");
    return Ask("DELETE", Target(Query(values)), "", "", [&](const Json&, const std::string&) {
      return Print(o_.json ? "{\"outcome\":\"forgotten\"}\n" : o_.key + ": forgotten\n");
    });
  }

  int Stats() {
    return Ask("GET", "/v1/status", "", "uptime_s",
               [&](const Json& answer, const std::string& body) {
                 if (o_.json) return Print(body + "\n");
                 Table table({});
                 AddFigures(answer, "", &table);
                 return Print(table.Text());
               });
  }

  // What is in an object of the answer goes by both names; lists are for --json.
  static void AddFigures(const Json& object, const std::string& within, Table* table) {
    for (const auto& [name, value] : object.items()) {
      if (value.is_object()) AddFigures(value, within + name + ".", table);
      if (!value.is_structured()) table->Add({within + name, Text(object, name.c_str())});
    }
  }

  int Health() {
    const Result<ApiClient::Reply> reply = client_->Ask(
        "GET", "/readyz?verbose", "", std::chrono::seconds(o_.timeout_s), /*wants_json=*/true);
    if (!reply.ok()) return Failed(kExitFailure, reply.status().message());
    const Json answer = Json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
    const bool as_onced = (reply->status == 200 || reply->status == 503) && answer.is_object() &&
                          answer.contains("ready") && answer.contains("checks") &&
                          AreObjects(answer["checks"]);
    if (!as_onced) return NotAsOnced();
    if (o_.json) {
      const int printed = Print(reply->body + "\n");
      return reply->status == 200 ? printed : kExitFailure;
    }
    Table table({reply->status == 200 ? "ok" : "not ready"});
    for (const Json& check : answer["checks"]) {
      table.Add({Text(check, "name"), Text(check, "state"), Text(check, "detail")});
    }
    const int printed = Print(table.Text());
    return reply->status == 200 ? printed : kExitFailure;
  }

  int Keygen() {
    if (!o_.data.empty() && !Json::accept(o_.data)) {
      return Failed(kExitUsage, "--data: is no JSON");
    }
    JsonWriter w;
    // Byte for byte: what the key is made of is the server's to read.
    o_.data.empty() ? w.Field("unique", true) : w.RawField("data", o_.data);
    if (!o_.prefix.empty()) w.Field("prefix", o_.prefix);
    return Ask("POST", "/v1/keygen", w.Take(), "key",
               [&](const Json& answer, const std::string& body) {
                 return Print(o_.json ? body + "\n" : Text(answer, "key") + "\n");
               });
  }

  int Backup() {
    return Ask(
        "POST", "/v1/backup", JsonWriter().Field("folder", o_.folder).Take(), "folder",
        [&](const Json&, const std::string& body) {
          return Print(o_.json ? body + "\n"
                               : o_.folder + ": a backup; look at it: onced verify " + o_.folder +
                                     "\n");
        },
        std::chrono::seconds(0));
  }

  const CommandOptions& o_;
  const std::unique_ptr<ApiClient> client_;
};

int Verify(const CommandOptions& o) {
  ProgressBar bar("verify");
  const Result<FolderReport> report =
      VerifyFolder(o.folder, [&](uint64_t done, uint64_t all) { bar.Show(done, all); });
  bar.End();
  if (!report.ok()) return Failed(ExitCodeOf(report.status()), report.status().message());
  const Json json = {{"schema", 1},
                     {"kind", report->is_backup ? "backup" : "data folder"},
                     {"records", report->records},
                     {"runs", report->runs},
                     {"effects", report->effects},
                     {"values", report->values},
                     {"bytes", report->bytes},
                     {"epoch", report->epoch},
                     {"sequence", report->sequence},
                     {"synced_sequence", report->synced_sequence}};
  if (o.json) return Print(json.dump() + "\n");
  Table table({});
  for (const auto& [name, value] : json.items()) {
    if (name != "schema") table.Add({name, Text(json, name.c_str())});
  }
  return Print(o.folder + " is whole\n" + table.Text());
}

int Restore(const CommandOptions& o) {
  if (!o.accept_forgotten_claims) {
    return Failed(kExitUsage,
                  "restore: what was claimed or completed since this backup was made will be "
                  "forgotten, and may run a second time; say --accept-forgotten-claims to go on");
  }
  ProgressBar reading("verify");
  const Result<FolderReport> whole =
      VerifyFolder(o.folder, [&](uint64_t done, uint64_t all) { reading.Show(done, all); });
  reading.End();
  if (!whole.ok()) return Failed(ExitCodeOf(whole.status()), whole.status().message());
  ProgressBar bar("restore");
  const Status restored =
      RestoreBackup(o.folder, o.into, [&](uint64_t done, uint64_t all) { bar.Show(done, all); });
  bar.End();
  if (!restored.ok()) return Failed(ExitCodeOf(restored), restored.message());
  if (o.json) {
    return Print(Json{{"schema", 1}, {"folder", o.into}, {"records", whole->records}}.dump() +
                 "\n");
  }
  return Print(o.into + " is a data folder now; everything since " + o.folder +
               " was made is forgotten, and fences go on above all that were given\n");
}

int Migrate(const CommandOptions& o) {
  const Status made = MigratePostgres(o.store);
  if (made.ok()) return Print("the tables are there, and of this version\n");
  return Failed(DatabaseStorage::ExitCodeOf(made), "migrate: " + made.message());
}

}  // namespace

int RunCommand(const CommandOptions& options) {
  if (options.verb == Verb::kVerify) return Verify(options);
  if (options.verb == Verb::kRestore) return Restore(options);
  if (options.verb == Verb::kMigrate) return Migrate(options);
  Result<std::unique_ptr<ApiClient>> client = ApiClient::Make(options.server);
  if (!client.ok()) return Failed(kExitUsage, client.status().message());
  return Session(options, std::move(*client)).Run();
}

}  // namespace onced

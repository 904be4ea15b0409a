// SPDX-License-Identifier: MIT
// The flags of the commands.
#include <CLI/CLI.hpp>
#include <string>

#include "server/commands/commands.h"

namespace onced {
namespace {

using Verb = CommandOptions::Verb;

CLI::App* Add(CLI::App* to, CommandOptions* o, Verb verb, const char* name, const char* help) {
  CLI::App* const command = to->add_subcommand(name, help);
  command->callback([o, verb] { o->verb = verb; });
  return command;
}

void AddServer(CLI::App* command, CommandOptions* o) {
  // The variables are read by whoever runs the command: CLI11 would fill the one place that all
  // commands share from them for each command that was not asked for, over what a flag has said.
  command
      ->add_option("--server", o->server.url,
                   "where it runs (or ONCED_SERVER; unsaid " + std::string(kServerUnsaid) + ")")
      ->type_name("URL");
  command
      ->add_option("--token-file", o->server.token_file,
                   "a file with the caller's token (or ONCED_TOKEN_FILE)")
      ->type_name("FILE");
  command->add_option("--ca", o->server.ca_file, "who signed its certificate (PEM)")
      ->type_name("FILE");
}

void AddJson(CLI::App* command, CommandOptions* o) {
  command->add_flag("--json", o->json, "for scripts");
}

CLI::App* AddAsking(CLI::App* to, CommandOptions* o, Verb verb, const char* name,
                    const char* help) {
  CLI::App* const command = Add(to, o, verb, name, help);
  AddServer(command, o);
  AddJson(command, o);
  return command;
}

void AddKey(CLI::App* command, CommandOptions* o) {
  command->add_option("key", o->key, "the key")->required();
  command->add_option("--scope", o->scope, "of the key")->type_name("NAME")->capture_default_str();
  command->add_option("--tenant", o->tenant, "whose it is, for an admin")->type_name("NAME");
}

void AddKeys(CLI::App* app, CommandOptions* o) {
  CLI::App* const keys = app->add_subcommand("keys", "look at keys, and decide about them");
  keys->require_subcommand(1);
  CLI::App* const list = AddAsking(keys, o, Verb::kList, "list", "the keys of a scope");
  list->add_option("--scope", o->scope, "which")->type_name("NAME")->capture_default_str();
  list->add_option("--scope-prefix", o->scope_prefix,
                   "all that begin so, instead (gw: the gateway's)")
      ->type_name("TEXT");
  list->add_option("--tenant", o->tenant, "whose, for an admin")->type_name("NAME");
  list->add_option("--prefix", o->prefix, "keys that begin so")->type_name("TEXT");
  list->add_option("--state", o->state, "only these")
      ->type_name("in_flight|completed|unknown")
      ->check(CLI::IsMember({"in_flight", "completed", "unknown"}));
  list->add_option("--limit", o->limit, "at most so many")
      ->type_name("NUMBER")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  AddKey(AddAsking(keys, o, Verb::kGet, "get", "one key"), o);
  AddKey(AddAsking(keys, o, Verb::kHistory, "history", "what has happened to a key"), o);
  CLI::App* const resolve =
      AddAsking(keys, o, Verb::kResolve, "resolve", "decide an outcome that nobody knows");
  AddKey(resolve, o);
  resolve->add_option("decision", o->decision, "what it came to")
      ->required()
      ->type_name("completed|released")
      ->check(CLI::IsMember({"completed", "released"}));
  resolve->add_option("--result", o->result, "what retries are answered, with completed")
      ->type_name("JSON");
  CLI::App* const forget =
      AddAsking(keys, o, Verb::kForget, "forget", "as if it had never been: a retry runs again");
  AddKey(forget, o);
  forget->add_flag("--force", o->force, "also while somebody holds it");
}

}  // namespace

void AddCommands(CLI::App* app, CommandOptions* o) {
  AddKeys(app, o);
  AddAsking(app, o, Verb::kStats, "stats", "how a onced that runs is doing");
  CLI::App* const health =
      AddAsking(app, o, Verb::kHealth, "healthcheck", "exit 0 when it is ready, 1 when not");
  health->add_option("--timeout", o->timeout_s, "seconds to wait for its answer")
      ->type_name("NUMBER")
      ->check(CLI::Range(1, 3'600))
      ->capture_default_str();
  CLI::App* const keygen =
      AddAsking(app, o, Verb::kKeygen, "keygen", "a key: of --data, or unique");
  keygen->add_option("--data", o->data, "the same data, the same key")->type_name("JSON");
  keygen->add_option("--prefix", o->prefix, "that the key begins with")->type_name("TEXT");
  CLI::App* const backup =
      AddAsking(app, o, Verb::kBackup, "backup", "have it write a backup, on its own machine");
  backup->add_option("folder", o->folder, "a new folder, as an absolute path")
      ->required()
      ->type_name("DIR");
  CLI::App* const verify =
      Add(app, o, Verb::kVerify, "verify", "read all that a backup, or a folder not in use, says");
  AddJson(verify, o);
  verify->add_option("folder", o->folder, "the folder")->required()->type_name("DIR");
  CLI::App* const restore =
      Add(app, o, Verb::kRestore, "restore", "make a data folder of a backup");
  AddJson(restore, o);
  restore->add_option("folder", o->folder, "the backup")->required()->type_name("DIR");
  restore->add_option("--into", o->into, "a new or empty folder")->required()->type_name("DIR");
  restore->add_flag("--accept-forgotten-claims", o->accept_forgotten_claims,
                    "what was claimed since the backup is not known any more: it may run again");
  Add(app, o, Verb::kMigrate, "migrate",
      "make onced's tables in a database, or bring them up to date")
      ->add_option("--store", o->store, "postgres://..., as libpq reads it")
      ->required()
      ->type_name("URL")
      ->envname("ONCED_STORE");
}

}  // namespace onced

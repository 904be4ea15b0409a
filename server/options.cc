// SPDX-License-Identifier: MIT
#include "server/options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>
#include <utility>

#include "server/config/option_document.h"
#include "server/config/option_sources.h"
#include "server/config/secret_words.h"
#include "server/config/setting.h"
#include "server/gateway/origin.h"
#include "server/serve_table.h"

namespace onced {
namespace {

using Given = std::map<std::string, std::string>;  // flags by their names, as they were written

// The flags of the table; what is given is only kept: the table reads it when it has read what goes
// behind it.
void AddFlags(const OptionTable& table, Given* given, CLI::App* app) {
  for (const Option& row : table.rows()) {
    const std::string name = row.name;
    CLI::Option* flag = nullptr;
    if (row.type.empty()) {
      flag = app->add_flag_function(
          row.flag(), [given, name](int64_t) { (*given)[name] = "on"; }, row.help);
      flag->disable_flag_override();  // --NAME=false would be told as a flag that was given
    } else {
      flag = app->add_option_function<std::string>(
          row.flag(), [given, name](const std::string& text) { (*given)[name] = text; }, row.help);
    }
    if (!row.section.empty()) flag->group(row.section);
    if (row.type.empty()) continue;
    flag->type_name(row.type);
    if (!row.default_text.empty()) flag->default_str(row.default_text);
  }
}

void AddDataFolder(CLI::App* app, std::string* folder) {
  app->add_option("--data", *folder, "the data folder")
      ->type_name("DIR")
      ->capture_default_str()
      ->check([](const std::string& text) { return text.empty() ? "must not be empty" : ""; });
}

void AddNewToken(CLI::App* app, NewTokenOptions* o) {
  app->add_option_function<std::string>(
         "--tenant",
         [o](const std::string& name) {
           const Status checked = CheckPrintable("--tenant", name, 1, Key::kMaxTenantLength);
           if (!checked.ok()) throw CLI::ValidationError(checked.message());
           o->caller.tenant = name;
         },
         "whose keys the token is for")
      ->type_name("NAME")
      ->required();
  app->add_option_function<std::string>(
         "--role",
         [o](const std::string& text) {
           o->caller.role = text == "admin" ? Role::kAdmin : Role::kApp;
         },
         "what it may do: admin also decides, forgets, and names other tenants")
      ->check(CLI::IsMember({"app", "admin"}))
      ->type_name("app|admin")
      ->default_str("app");
}

// CLI11 says only that a word is none of its own.
std::string NearestOf(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands(nullptr)) known.push_back(command->get_name());
  const CLI::App* asked = &app;
  while (!asked->get_subcommands().empty()) {
    asked = asked->get_subcommands().front();
    for (const CLI::App* command : asked->get_subcommands(nullptr)) {
      known.push_back(command->get_name());
    }
  }
  for (const CLI::Option* option : asked->get_options()) known.push_back(option->get_name());
  const std::vector<std::string_view> words(known.begin(), known.end());
  for (const std::string& argument : arguments) {
    const std::string word = argument.substr(0, argument.find('='));
    if (std::find(words.begin(), words.end(), word) != words.end()) continue;
    const std::string near = DidYouMean(word, words);
    if (!near.empty()) return word + near + "\n";
    const bool is_command = !word.starts_with('-') && !asked->get_subcommands(nullptr).empty();
    if (is_command) return word + ": there is no such command\n";
  }
  return "";
}

// The program's commands, and what was said to each.
class CommandLine {
 public:
  CommandLine() : app_("onced makes retried requests safe: claim, complete, replay.", "onced") {
    app_.set_version_flag("--version", "onced " ONCED_VERSION);
    app_.require_subcommand(1);
    serve_ = app_.add_subcommand("serve", "serve the HTTP API, and other doors, in the foreground");
    check_ = app_.add_subcommand("check", "whether `serve` with the same flags would start");
    AddFlags(table_.rows(), &given_, serve_);
    AddFlags(table_.rows(), &given_, check_);
    AddConfig();
    AddCommands(&app_, &command_);
    CLI::App* const clock =
        app_.add_subcommand("clock", "the guarded clock of a stopped data folder");
    clock->require_subcommand(1);
    accept_ = clock->add_subcommand(
        "accept", "believe the machine's wall clock at the next start, whatever was seen before");
    AddDataFolder(accept_, &accept_clock_.data);
    CLI::App* const token = app_.add_subcommand("token", "the tokens that callers show");
    token->require_subcommand(1);
    new_ = token->add_subcommand(
        "new", "print a new token, and what to add to the token file for it; it is kept nowhere");
    AddNewToken(new_, &new_token_);
  }

  Options Parse(const std::vector<std::string>& arguments,
                const std::vector<std::string>& environment, const Tell& tell) {
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::Success& asked) {  // --help, --version
      return Finished{app_.exit(asked)};
    } catch (const CLI::ParseError& error) {
      // It repeats what it does not know, such as a URL behind a flag that is misspelt.
      std::ostringstream out, err;
      app_.exit(error, out, err);
      std::fputs(WithoutSecrets(out.str()).c_str(), stdout);
      std::fputs(WithoutSecrets(err.str() + NearestOf(app_, arguments)).c_str(), stderr);
      return Finished{kExitUsage};
    }
    if (command_.verb != CommandOptions::Verb::kNone) return command_;
    if (accept_->parsed()) return accept_clock_;
    if (new_->parsed()) return new_token_;
    if (example_->parsed()) return Print(ExampleFile(table_.rows()));
    const Status read = table_.Read(given_, environment);
    if (!read.ok()) {
      tell(read.message());
      return Finished{kExitUsage};
    }
    std::vector<std::string> warnings = StrangeVariables(environment, table_.rows());
    if (serve_->parsed()) {  // which has its own way to say so
      ServeOptions serve = table_.options();
      serve.warnings = std::move(warnings);
      return serve;
    }
    for (const std::string& line : warnings) tell("onced: warning: " + line);
    if (show_->parsed()) {
      std::vector<ShownRoute> routes;
      for (const Route& route : table_.options().gateway.routes) {
        routes.push_back({route.name, route.prefix, route.origin->Name()});
      }
      return Print(as_json_ ? ShownAsJson(table_.rows(), routes)
                            : ShownAsFile(table_.rows(), routes));
    }
    return CheckOptions{table_.options()};
  }

 private:
  void AddConfig() {
    CLI::App* const config =
        app_.add_subcommand("config", "the configuration, for people and scripts");
    config->require_subcommand(1);
    example_ = config->add_subcommand("example", "print a configuration file to begin with");
    show_ = config->add_subcommand(
        "show", "print what `serve` with the same flags would do, and where each value comes from");
    AddFlags(table_.rows(), &given_, show_);
    show_->add_flag("--json", as_json_, "for scripts");
  }

  static Finished Print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    return Finished{std::fflush(stdout) == 0 ? kExitOk : kExitFailure};
  }

  CLI::App app_;
  ServeTable table_;
  Given given_;
  CommandOptions command_;
  AcceptClockOptions accept_clock_;
  NewTokenOptions new_token_;
  bool as_json_ = false;
  CLI::App *serve_, *check_, *example_, *show_, *accept_, *new_;
};

}  // namespace

std::string AsWritten(const ServeOptions& options, const std::string& fault) {
  const size_t end = fault.find_first_of(": ");
  if (!fault.starts_with("--") || end == std::string::npos) return fault;
  const auto place = options.places.find(fault.substr(2, end - 2));
  if (place == options.places.end() || place->second == fault.substr(0, end)) return fault;
  return place->second + (fault[end] == ' ' ? ":" : "") + fault.substr(end);
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

const char* DurabilityName(Durability durability) {
  switch (durability) {
    case Durability::kSync:
      return "sync";
    case Durability::kInterval:
      return "interval";
    case Durability::kOs:
      return "os";
  }
  return "";
}

void TellOnStderr(const std::string& line) {
  const bool warns = line.starts_with("onced: warning: ");
  std::fprintf(stderr, "%s\n%s", line.c_str(),
               warns ? "" : "Run with --help for more information.\n");
}

Options ParseCommandLine(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment, const Tell& tell) {
  return CommandLine().Parse(arguments, environment, tell);
}

}  // namespace onced

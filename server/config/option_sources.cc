// SPDX-License-Identifier: MIT
#include "server/config/option_sources.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace onced {
namespace {

constexpr std::string_view kPrefix = "ONCED_";

std::pair<std::string, std::string> Split(const std::string& variable) {
  const size_t at = std::min(variable.find('='), variable.size());
  return {variable.substr(0, at), variable.substr(std::min(at + 1, variable.size()))};
}

// As the row's reader takes it; false: it is of another kind, which has been told.
bool TextOf(const Setting& setting, const Option& row, Settings* file, std::string* text) {
  switch (row.form) {
    case Option::Form::kText:
      if (setting.kind == Setting::Kind::kText) {
        *text = setting.text;
        return true;
      }
      file->Wrong(setting, row.type == "TIME"
                               ? "must be a string, such as \"" + row.default_text + "\""
                               : std::string("must be a string"));
      return false;
    case Option::Form::kSwitch:
      if (setting.kind == Setting::Kind::kFlag) {
        *text = setting.flag ? "on" : "off";
        return true;
      }
      file->Wrong(setting, "must be true or false");
      return false;
    case Option::Form::kNumber:
      if (setting.kind == Setting::Kind::kInteger) {
        *text = std::to_string(setting.integer);
        return true;
      }
      // A size also has units, which need quotes.
      if (setting.kind == Setting::Kind::kText && row.type == "SIZE") {
        *text = setting.text;
        return true;
      }
      file->Wrong(setting, row.type == "SIZE"
                               ? "must be a string, such as \"" + row.default_text + "\""
                               : std::string("must be a number"));
      return false;
  }
  return false;
}

// What a section's own reader takes: that it is there is all that has to be known here.
bool IsThere(const Setting& whole, const std::string& dotted) {
  const size_t dot = dotted.find('.');
  for (const Setting& section : whole.members) {
    if (section.name != dotted.substr(0, dot)) continue;
    for (const Setting& member : section.members) {
      if (member.name == dotted.substr(dot + 1)) return true;
    }
  }
  return false;
}

}  // namespace

void ReadOptions(const Setting& whole, const std::string& folder, Settings* file,
                 OptionTable* table) {
  for (Option& row : table->rows()) {
    if (row.setting.empty()) continue;
    if (row.setting.find('.') != std::string::npos) {
      if (IsThere(whole, row.setting)) row.source = Source::kFile;
      continue;
    }
    const Setting* const setting = file->Find(row.setting);
    std::string text;
    if (setting == nullptr || !TextOf(*setting, row, file, &text)) continue;
    const bool path = row.type == "FILE" || row.type == "DIR";
    if (path && !text.empty()) text = (std::filesystem::path(folder) / text).string();
    const Status set = row.Set(text, Source::kFile);
    if (!set.ok()) file->Wrong(*setting, set.message());
  }
}

std::string ValueOf(const std::vector<std::string>& environment, const std::string& variable) {
  std::string value;
  for (const std::string& one : environment) {
    auto [name, said] = Split(one);
    if (name == variable) value = std::move(said);
  }
  return value;
}

Status ReadOptions(const std::vector<std::string>& environment, OptionTable* table) {
  for (Option& row : table->rows()) {
    const std::string value = row.in_environment ? ValueOf(environment, row.variable()) : "";
    if (value.empty()) continue;
    const Status set = row.Set(value, Source::kEnvironment);
    if (!set.ok()) return Status::InvalidArgument(row.variable() + ": " + set.message());
  }
  return Status::Ok();
}

std::vector<std::string> StrangeVariables(const std::vector<std::string>& environment,
                                          const OptionTable& table) {
  std::vector<std::string> known = {"ONCED_SERVER", "ONCED_TOKEN_FILE"};  // of the commands
  for (const Option& row : table.rows()) {
    if (row.in_environment) known.push_back(row.variable());
  }
  std::vector<std::string> lines;
  for (const std::string& variable : environment) {
    const std::string name = Split(variable).first;
    if (!name.starts_with(kPrefix) || std::find(known.begin(), known.end(), name) != known.end()) {
      continue;
    }
    lines.push_back(name + ": there is no such option" +
                    DidYouMean(name, {known.begin(), known.end()}));
  }
  return lines;
}

std::vector<std::string> Environment() {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one) all.emplace_back(*one);
  return all;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/config/setting.h"

#include <toml++/toml.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <sstream>

#include "server/config/quantity.h"

namespace onced {
namespace {

Setting::Place PlaceOf(const toml::source_region& region) {
  return {.line = region.begin.line, .column = region.begin.column};
}

void Fill(const toml::node& node, Setting* setting);

void FillList(const toml::array& list, Setting* setting) {
  setting->kind = Setting::Kind::kList;
  for (const toml::node& node : list) {
    Setting& member = setting->members.emplace_back();
    member.name = setting->name;
    member.name_at = setting->name_at;
    Fill(node, &member);
  }
}

void FillTable(const toml::table& table, Setting* setting) {
  setting->kind = Setting::Kind::kTable;
  for (const auto& [key, node] : table) {
    Setting& member = setting->members.emplace_back();
    member.name = std::string(key.str());
    member.name_at = PlaceOf(key.source());
    Fill(node, &member);
  }
}

void Fill(const toml::node& node, Setting* setting) {
  setting->at = PlaceOf(node.source());
  setting->kind = Setting::Kind::kOther;
  if (const auto* flag = node.as_boolean()) {
    setting->kind = Setting::Kind::kFlag;
    setting->flag = flag->get();
  } else if (const auto* integer = node.as_integer()) {
    setting->kind = Setting::Kind::kInteger;
    setting->integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    setting->kind = Setting::Kind::kNumber;
    setting->number = number->get();
  } else if (const auto* text = node.as_string()) {
    setting->kind = Setting::Kind::kText;
    setting->text = text->get();
  } else if (const toml::array* list = node.as_array()) {
    FillList(*list, setting);
  } else if (const toml::table* table = node.as_table()) {
    FillTable(*table, setting);
  }
}

// A name from the file, if it is fit to be shown.
std::string Shown(std::string_view name) {
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
  return printable && name.size() <= 64 ? std::string(name) : "(a name that cannot be shown)";
}

// How many letters must be put in, taken out or changed to make one of the other (Levenshtein).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

std::string Joined(const std::vector<std::string_view>& words) {
  std::string all;
  for (const std::string_view word : words) {
    all += (all.empty() ? "\"" : ", \"") + std::string(word) + "\"";
  }
  return all;
}

std::string NumberText(double number) {
  std::ostringstream text;
  text << number;
  return text.str();
}

bool Before(Setting::Place a, Setting::Place b) {
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

}  // namespace

Result<Setting> ParseSettings(std::string_view text, const std::string& file) {
  try {
    Setting whole;
    FillTable(toml::parse(text, file), &whole);
    return whole;
  } catch (const toml::parse_error& error) {
    const Setting::Place at = PlaceOf(error.source());
    return Status::InvalidArgument(file + ":" + std::to_string(at.line) + ":" +
                                   std::to_string(at.column) + ": " +
                                   std::string(error.description()) +
                                   "; a text, a time and a size stand in quotes, as in \"30s\"");
  }
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr size_t kLongest = 64;  // nobody misspells a longer one
  std::string_view nearest;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    if (word.size() > kLongest) break;
    // One that was broken off is near whatever is missing of it.
    const bool begun = word.size() >= 3 && candidate.starts_with(word);
    const size_t distance = begun ? 1 : Distance(word, candidate);
    if (distance >= least || distance >= candidate.size()) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest.empty() ? "" : "; did you mean " + std::string(nearest) + "?";
}

std::string Faults::Text(Setting::Place at, std::string_view name, std::string_view what) const {
  return file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " +
         Shown(name) + ": " + std::string(what);
}

void Faults::Add(Setting::Place at, std::string_view name, std::string_view what) {
  faults_.push_back({.at = at, .text = Text(at, name, what)});
}

void Faults::AddMissing(Setting::Place at, std::string_view name) {
  missing_.push_back({.at = at, .text = Text(at, name, "is required")});
}

Status Faults::First() const {
  const std::vector<Fault>& told = faults_.empty() ? missing_ : faults_;
  const auto first = std::min_element(
      told.begin(), told.end(), [](const Fault& a, const Fault& b) { return Before(a.at, b.at); });
  return first == told.end() ? Status::Ok() : Status::InvalidArgument(first->text);
}

Settings::Settings(const Setting& table, Faults* faults) : table_(table), faults_(*faults) {
  if (table.kind != Setting::Kind::kTable) Wrong(table, "must be a table");
}

const Setting* Settings::Find(std::string_view name) {
  known_.push_back(name);
  if (table_.kind != Setting::Kind::kTable) return nullptr;
  for (const Setting& member : table_.members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

void Settings::Wrong(const Setting& setting, std::string_view what) {
  sound_ = false;
  faults_.Add(setting.at, setting.name, what);
}

void Settings::Require(std::string_view name) {
  if (Find(name) != nullptr || table_.kind != Setting::Kind::kTable) return;
  sound_ = false;
  faults_.AddMissing(table_.at, name);
}

void Settings::End() {
  if (table_.kind != Setting::Kind::kTable) return;
  for (const Setting& member : table_.members) {
    if (std::find(known_.begin(), known_.end(), member.name) != known_.end()) continue;
    sound_ = false;
    faults_.Add(
        member.name_at, member.name,
        "there is no such setting" + DidYouMean(member.name, known_) +
            (member.kind == Setting::Kind::kTable ? "; it is no section: see OPTIONS.md" : ""));
  }
}

const Setting* Settings::OfKind(std::string_view name, Setting::Kind kind, std::string_view what) {
  const Setting* setting = Find(name);
  if (setting == nullptr || setting->kind == kind) return setting;
  Wrong(*setting, what);
  return nullptr;
}

bool Settings::Flag(std::string_view name, bool* value) {
  const Setting* setting = OfKind(name, Setting::Kind::kFlag, "must be true or false");
  if (setting != nullptr) *value = setting->flag;
  return setting != nullptr;
}

bool Settings::Text(std::string_view name, std::string* value, const Judge& judge) {
  const Setting* setting = OfKind(name, Setting::Kind::kText, "must be a string");
  if (setting == nullptr) return false;
  const std::string wrong = judge(setting->text);
  if (!wrong.empty()) {
    Wrong(*setting, wrong);
    return false;
  }
  *value = setting->text;
  return true;
}

bool Settings::Duration(std::string_view name, std::chrono::milliseconds* value, int64_t least_ms,
                        int64_t most_ms) {
  const Setting* setting = Find(name);
  if (setting == nullptr) return false;
  // A text of any other kind is empty, which is no duration.
  const Result<std::chrono::milliseconds> read = ReadDuration(setting->text, least_ms, most_ms);
  if (read.ok()) {
    *value = *read;
  } else {
    Wrong(*setting, read.status().message());
  }
  return read.ok();
}

bool Settings::Size(std::string_view name, uint64_t* value, uint64_t least, uint64_t most) {
  const Setting* setting = Find(name);
  if (setting == nullptr) return false;
  const bool bytes = setting->kind == Setting::Kind::kInteger;  // 512 as well as "512"
  const Result<uint64_t> read =
      ReadSize(bytes ? std::to_string(setting->integer) : setting->text, least, most);
  if (read.ok()) {
    *value = *read;
  } else {
    Wrong(*setting, read.status().message());
  }
  return read.ok();
}

bool Settings::Count(std::string_view name, uint32_t* value, uint32_t least, uint32_t most) {
  const Setting* setting = Find(name);
  if (setting == nullptr) return false;
  const int64_t number = setting->integer;
  if (setting->kind != Setting::Kind::kInteger || number < least || number > most) {
    Wrong(*setting, "must be " + std::to_string(least) + ".." + std::to_string(most));
    return false;
  }
  *value = static_cast<uint32_t>(number);
  return true;
}

bool Settings::Number(std::string_view name, double* value, double least, double most) {
  const Setting* setting = Find(name);
  if (setting == nullptr) return false;
  const bool whole = setting->kind == Setting::Kind::kInteger;
  const double number = whole ? static_cast<double>(setting->integer) : setting->number;
  const bool is_one = whole || setting->kind == Setting::Kind::kNumber;
  if (!is_one || !(number >= least && number <= most)) {  // not a number is not within either
    Wrong(*setting, "must be " + NumberText(least) + ".." + NumberText(most));
    return false;
  }
  *value = number;
  return true;
}

bool Settings::Texts(std::string_view name, std::vector<std::string>* value, const Judge& judge) {
  constexpr std::string_view kWhat = "must be a list of strings";
  const Setting* list = OfKind(name, Setting::Kind::kList, kWhat);
  if (list == nullptr) return false;
  std::vector<std::string> read;
  for (const Setting& member : list->members) {
    std::string wrong(member.kind == Setting::Kind::kText ? judge(member.text) : kWhat);
    if (wrong.empty() && std::find(read.begin(), read.end(), member.text) != read.end()) {
      wrong = "\"" + Shown(member.text) + "\" is in the list twice";
    }
    if (!wrong.empty()) {
      Wrong(member, wrong);
      return false;
    }
    read.push_back(member.text);
  }
  *value = std::move(read);
  return true;
}

std::vector<const Setting*> Settings::Tables(std::string_view name, std::string_view whole) {
  const std::string what = "write it as [[" + std::string(whole) + "]]";
  const Setting* list = OfKind(name, Setting::Kind::kList, what);
  std::vector<const Setting*> tables;
  if (list == nullptr) return tables;
  for (const Setting& member : list->members) {
    if (member.kind == Setting::Kind::kTable) {
      tables.push_back(&member);
    } else {
      Wrong(member, what);
    }
  }
  return tables;
}

size_t Settings::IndexOf(const Setting* setting, const std::vector<std::string_view>& words) {
  if (setting == nullptr) return words.size();
  const auto found = setting->kind == Setting::Kind::kText
                         ? std::find(words.begin(), words.end(), setting->text)
                         : words.end();
  if (found == words.end()) {
    Wrong(*setting, "must be one of " + Joined(words) + DidYouMean(setting->text, words));
  }
  return static_cast<size_t>(found - words.begin());
}

}  // namespace onced

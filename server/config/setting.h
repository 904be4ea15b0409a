// SPDX-License-Identifier: MIT
// Setting: what is written in the configuration file (TOML), each value with its place. Settings
// reads the table of one section by name and keeps what is wrong, so that reading a section is a
// list of its settings; the part of the program that a section is about does that.
//
// Threads: values; use a reader from one.
// Invariants: 1. An error is "file:line:column: name: what is wrong". 2. A name that nobody asked
// for is an error, so a misspelt setting is never silently ignored. 3. What was wrong leaves the
// setting as it was.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace onced {

struct Setting {
  enum class Kind { kFlag, kInteger, kNumber, kText, kList, kTable, kOther };
  struct Place {
    uint32_t line = 1;
    uint32_t column = 1;
  };

  Kind kind = Kind::kTable;
  std::string name;  // in its table; in a list, that of the list
  Place name_at;
  Place at;  // of the value
  bool flag = false;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<Setting> members;  // of a list in its order, of a table by name
};

// The whole file as a table. `file`: its name, for messages.
Result<Setting> ParseSettings(std::string_view text, const std::string& file);

// "; did you mean NAME?" for the nearest of `known`, or nothing when none is near.
std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& known);

// What is wrong with a file. Of several things the first in the file is told; that something is
// missing only when nothing else is wrong, since it may be there under another name.
class Faults {
 public:
  explicit Faults(std::string file) : file_(std::move(file)) {}
  void Add(Setting::Place at, std::string_view name, std::string_view what);
  void AddMissing(Setting::Place at, std::string_view name);
  Status First() const;

 private:
  struct Fault {
    Setting::Place at;
    std::string text;
  };
  std::string Text(Setting::Place at, std::string_view name, std::string_view what) const;

  const std::string file_;
  std::vector<Fault> faults_, missing_;
};

class Settings {
 public:
  // What is wrong with a text, or nothing.
  using Judge = std::function<std::string(const std::string&)>;

  // Both must outlive this. Another kind than a table is a fault.
  Settings(const Setting& table, Faults* faults);

  // nullptr: it is not there. It is known from now on, as after each of the following.
  const Setting* Find(std::string_view name);

  // Each leaves *value as it is when the setting is not there, and says whether it has set it.
  bool Flag(std::string_view name, bool* value);
  bool Text(std::string_view name, std::string* value, const Judge& judge);
  bool Duration(std::string_view name, std::chrono::milliseconds* value, int64_t least_ms,
                int64_t most_ms);
  bool Size(std::string_view name, uint64_t* value, uint64_t least, uint64_t most);
  bool Count(std::string_view name, uint32_t* value, uint32_t least, uint32_t most);
  bool Number(std::string_view name, double* value, double least, double most);
  // No text of the list may be there twice.
  bool Texts(std::string_view name, std::vector<std::string>* value, const Judge& judge);
  template <typename Enum>
  bool Choice(std::string_view name, Enum* value,
              const std::vector<std::pair<std::string_view, Enum>>& choices) {
    std::vector<std::string_view> words;
    for (const auto& [word, unused] : choices) words.push_back(word);
    const size_t chosen = IndexOf(Find(name), words);
    if (chosen == words.size()) return false;
    *value = choices[chosen].second;
    return true;
  }
  // Of a [[list]] of tables; nothing when it is not there.
  // `whole`: its name with its section's, for messages.
  std::vector<const Setting*> Tables(std::string_view name, std::string_view whole);

  // The place in `words` of what `setting` says; their number, and a fault, when it is not there.
  size_t IndexOf(const Setting* setting, const std::vector<std::string_view>& words);
  void Wrong(const Setting& setting, std::string_view what);
  void Require(std::string_view name);
  // Whether what has been read so far was right.
  bool sound() const { return sound_; }
  // REQUIRES: everything that may be here has been asked for.
  void End();

 private:
  const Setting* OfKind(std::string_view name, Setting::Kind kind, std::string_view what);

  const Setting& table_;
  Faults& faults_;
  std::vector<std::string_view> known_;
  bool sound_ = true;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
// Option: one thing that can be asked of the program, and the table of all that go together. From
// its name follow the flag (--sync-interval), the variable of the environment (ONCED_SYNC_INTERVAL)
// and the setting of the configuration file (sync_interval); help, example and document are made of
// the same row. The flag goes before the environment, that before the file, that before the
// default.
//
// Threads: use from one.
// Invariants: 1. Every value is read by its row's one reader, wherever it was written. 2. What is
// wrong leaves the value as it was, and is told with the place it was written at.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace onced {

// Nearer ones last: each goes before those above it.
enum class Source : uint8_t { kDefault, kFile, kEnvironment, kFlag };
const char* NameOf(Source source);  // "default", "file", "environment", "flag"

struct Option {
  enum class Form {
    kText,    // file: a string
    kNumber,  // file: a number, or for a size also a string
    kSwitch,  // file: true or false; else on or off
  };

  std::string name;
  std::string section;  // under which help and documents show it
  Form form = Form::kText;
  std::string type;  // as help shows it; empty: a flag that takes no value and means on
  std::string help;
  std::string for_whom;  // who needs it, for OPTIONS.md
  std::string example;   // a value that is one, where there is no default
  // Its name in the file; empty: it cannot be there. One with a dot is in a section that its own
  // part of the program reads.
  std::string setting;
  bool in_environment = true;
  // InvalidArgument that names the limits, and no field.
  std::function<Status(const std::string&)> read;
  // The value, as `read` takes it; empty: there is none.
  std::function<std::string()> text;

  Source source = Source::kDefault;
  std::string default_text;
  bool idle = false;  // means nothing beside what else was said, and may not be said beside it

  // For the row where it is made.
  Option& For(std::string who) {
    for_whom = std::move(who);
    return *this;
  }
  Option& Like(std::string value) {
    example = std::move(value);
    return *this;
  }
  Option& FlagOnly();  // neither in the file nor in the environment: it is said for one start
  Option& InFileAs(std::string name_there) {  // "": it cannot be there
    setting = std::move(name_there);
    return *this;
  }

  std::string flag() const { return "--" + name; }
  std::string variable() const;  // ONCED_...
  // Reads, and remembers from where. What is wrong names no field.
  Status Set(const std::string& value, Source from);
};

class OptionTable {
 public:
  OptionTable() = default;
  OptionTable(const OptionTable&) = delete;
  OptionTable& operator=(const OptionTable&) = delete;

  // Of the rows that follow.
  void Section(std::string name) { section_ = std::move(name); }

  // One row each; *value is the default, and must outlive the table.
  using Judge = std::function<std::string(const std::string&)>;  // what is wrong, or nothing
  Option& Text(std::string name, std::string type, std::string* value, std::string help,
               const Judge& judge = nullptr);
  Option& Duration(std::string name, std::chrono::milliseconds* value, int64_t least_ms,
                   int64_t most_ms, std::string help);
  // Sizes with a unit, and counts without.
  template <typename Number>
  Option& Size(const std::string& name, Number* value, uint64_t least, uint64_t most,
               const std::string& help) {
    return Amount(
        name, "SIZE", [value] { return static_cast<uint64_t>(*value); },
        [value](uint64_t read) { *value = static_cast<Number>(read); }, least, most, help);
  }
  Option& Count(std::string name, size_t* value, uint64_t least, uint64_t most, std::string help);
  Option& Switch(const std::string& name, bool* value, const std::string& help);  // NAME on|off
  Option& Flag(const std::string& name, bool* value, const std::string& help);    // NAME alone
  template <typename Enum>
  Option& Choice(const std::string& name, Enum* value,
                 const std::vector<std::pair<std::string, Enum>>& choices,
                 const std::string& help) {
    std::vector<std::string> words;
    for (const auto& [word, unused] : choices) words.push_back(word);
    const auto get = [value, choices] {
      size_t at = 0;
      while (at + 1 < choices.size() && choices[at].second != *value) ++at;
      return at;
    };
    const auto set = [value, choices](size_t at) { *value = choices[at].second; };
    return Words(name, words, get, set, help);
  }
  // A row of its own kind.
  Option& Own(std::string name, std::string type, std::string help,
              std::function<Status(const std::string&)> read, std::function<std::string()> text);

  std::deque<Option>& rows() { return rows_; }
  const std::deque<Option>& rows() const { return rows_; }
  // nullptr: there is none of this name.
  Option* Find(std::string_view name);

 private:
  Option& Amount(std::string name, std::string type, const std::function<uint64_t()>& get,
                 const std::function<void(uint64_t)>& set, uint64_t least, uint64_t most,
                 std::string help);
  Option& Words(std::string name, const std::vector<std::string>& words,
                const std::function<size_t()>& get, const std::function<void(size_t)>& set,
                std::string help);

  std::string section_;
  std::deque<Option> rows_;  // which hand out references
};

}  // namespace onced

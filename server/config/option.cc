// SPDX-License-Identifier: MIT
#include "server/config/option.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "server/config/quantity.h"
#include "server/config/setting.h"

namespace onced {

using std::chrono::milliseconds;

namespace {

std::string Underscored(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

Status MustBe(const std::string& what) { return Status::InvalidArgument("must be " + what); }

Result<uint64_t> ReadCount(std::string_view text, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (whole && number >= least && number <= most) return number;
  return MustBe(std::to_string(least) + ".." + std::to_string(most));
}

}  // namespace

const char* NameOf(Source source) {
  switch (source) {
    case Source::kDefault:
      return "default";
    case Source::kFile:
      return "file";
    case Source::kEnvironment:
      return "environment";
    case Source::kFlag:
      return "flag";
  }
  return "";
}

Option& Option::FlagOnly() {
  setting.clear();
  in_environment = false;
  return *this;
}

std::string Option::variable() const {
  std::string upper = "ONCED_" + Underscored(name);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

Status Option::Set(const std::string& value, Source from) {
  ONCED_RETURN_IF_ERROR(read(value));
  source = from;
  return Status::Ok();
}

Option& OptionTable::Own(std::string name, std::string type, std::string help,
                         std::function<Status(const std::string&)> read,
                         std::function<std::string()> text) {
  Option row;
  row.setting = Underscored(name);
  row.name = std::move(name);
  row.section = section_;
  row.type = std::move(type);
  row.help = std::move(help);
  row.default_text = text();
  row.read = std::move(read);
  row.text = std::move(text);
  return rows_.emplace_back(std::move(row));
}

Option& OptionTable::Text(std::string name, std::string type, std::string* value, std::string help,
                          const Judge& judge) {
  const auto read = [value, judge](const std::string& text) {
    const std::string wrong = judge == nullptr ? "" : judge(text);
    if (!wrong.empty()) return Status::InvalidArgument(wrong);
    *value = text;
    return Status::Ok();
  };
  return Own(std::move(name), std::move(type), std::move(help), read, [value] { return *value; });
}

Option& OptionTable::Duration(std::string name, milliseconds* value, int64_t least_ms,
                              int64_t most_ms, std::string help) {
  const auto read = [=](const std::string& text) {
    const Result<milliseconds> given = ReadDuration(text, least_ms, most_ms);
    if (!given.ok()) return given.status();
    *value = *given;
    return Status::Ok();
  };
  return Own(std::move(name), "TIME", std::move(help), read,
             [value] { return DurationText(value->count()); });
}

Option& OptionTable::Amount(std::string name, std::string type,
                            const std::function<uint64_t()>& get,
                            const std::function<void(uint64_t)>& set, uint64_t least, uint64_t most,
                            std::string help) {
  const bool size = type == "SIZE";
  const auto read = [=](const std::string& text) {
    const Result<uint64_t> given =
        size ? ReadSize(text, least, most) : ReadCount(text, least, most);
    if (!given.ok()) return given.status();
    set(*given);
    return Status::Ok();
  };
  const auto text = [=] { return size ? SizeText(get()) : std::to_string(get()); };
  Option& row = Own(std::move(name), std::move(type), std::move(help), read, text);
  row.form = Option::Form::kNumber;
  return row;
}

Option& OptionTable::Count(std::string name, size_t* value, uint64_t least, uint64_t most,
                           std::string help) {
  return Amount(
      std::move(name), "NUMBER", [value] { return *value; },
      [value](uint64_t read) { *value = read; }, least, most, std::move(help));
}

Option& OptionTable::Words(std::string name, const std::vector<std::string>& words,
                           const std::function<size_t()>& get,
                           const std::function<void(size_t)>& set, std::string help) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : "|") + word;
  const auto read = [=](const std::string& text) {
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
      return MustBe("one of " + all + DidYouMean(text, {words.begin(), words.end()}));
    }
    set(static_cast<size_t>(found - words.begin()));
    return Status::Ok();
  };
  return Own(std::move(name), all, std::move(help), read, [=] { return words[get()]; });
}

Option& OptionTable::Switch(const std::string& name, bool* value, const std::string& help) {
  Option& row = Choice<bool>(name, value, {{"on", true}, {"off", false}}, help);
  row.form = Option::Form::kSwitch;
  return row;
}

Option& OptionTable::Flag(const std::string& name, bool* value, const std::string& help) {
  Option& row = Switch(name, value, help);
  row.type.clear();
  return row;
}

Option* OptionTable::Find(std::string_view name) {
  const auto found = std::find_if(rows_.begin(), rows_.end(),
                                  [name](const Option& row) { return row.name == name; });
  return found == rows_.end() ? nullptr : &*found;
}

}  // namespace onced

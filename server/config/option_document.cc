// SPDX-License-Identifier: MIT
#include "server/config/option_document.h"

#include <filesystem>
#include <string_view>

#include "server/json/json_reader.h"
#include "server/json/json_writer.h"

namespace onced {
namespace {

// A string as TOML has it. Arguments, variables and files may hold any byte but NUL.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') quoted += '\\';
    if (byte < 0x20 || byte == 0x7F) {
      quoted += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// As the file writes it.
std::string Written(const Option& row, const std::string& value) {
  if (row.form == Option::Form::kSwitch) return value == "on" ? "true" : "false";
  const bool digits = !value.empty() && value.find_first_not_of("0123456789") == value.npos;
  if (row.form == Option::Form::kNumber && digits) return value;
  return Quoted(value);
}

// Neither JSON nor TOML has bytes that are no UTF-8.
bool IsUtf8(const std::string& text) {
  std::string json;
  AppendJsonString(text, &json);
  return ValidateJson(json).ok();
}
std::string Readable(const std::string& text) {
  if (IsUtf8(text)) return text;
  std::string readable;
  for (const char c : text)
    readable += static_cast<unsigned char>(c) < 0x80 ? std::string(1, c) : "\uFFFD";
  return readable;
}

std::string ValueOrExample(const Option& row) {
  return row.default_text.empty() ? row.example : row.default_text;
}

// A setting's name within its section of the file, which has a dot.
std::string Within(const Option& row) { return row.setting.substr(row.setting.find('.') + 1); }
bool HasSection(const Option& row) { return row.setting.find('.') != std::string::npos; }

void AppendExample(const Option& row, std::string* file) {
  *file += "# " + row.help + ".\n# For " + row.for_whom + ".\n#" + Within(row) + " = " +
           Written(row, ValueOrExample(row)) + "\n";
}

// Of a cell: what would end it.
std::string Cell(std::string text) {
  for (size_t at = text.find('|'); at != text.npos; at = text.find('|', at + 2)) {
    text.insert(at, "\\");
  }
  return text;
}

std::string Code(const std::string& text) { return text.empty() ? "" : "`" + Cell(text) + "`"; }

}  // namespace

std::string ExampleFile(const OptionTable& table) {
  std::string file =
      "# onced.toml: what `onced serve --config FILE` reads. What is commented out is the default, "
      "or\n"
      "# an example where there is none. A flag (--sync-interval) goes before the environment\n"
      "# (ONCED_SYNC_INTERVAL), that before this file. `onced check --config FILE` tells what is "
      "wrong.\n";
  std::string section;
  for (const Option& row : table.rows()) {
    if (row.setting.empty() || HasSection(row)) continue;
    if (row.section != section) file += "\n# " + row.section + "\n";
    section = row.section;
    AppendExample(row, &file);
  }
  // Last: what follows a section's head is within it.
  file += "\n# Upstreams and routes go here too: see GATEWAY.md.\n#[gateway]\n";
  for (const Option& row : table.rows()) {
    if (HasSection(row)) AppendExample(row, &file);
  }
  return file;
}

std::string ShownAsFile(const OptionTable& table, const std::vector<ShownRoute>& routes) {
  std::string text;
  for (const Option& row : table.rows()) {
    std::string value = row.text();
    // In a file it would begin at the file's folder.
    if (row.type == "DIR" || (row.type == "FILE" && !value.empty())) {
      value = std::filesystem::absolute(value).string();
    }
    const std::string name = row.setting.empty() ? row.flag() : row.setting;
    const bool whole = IsUtf8(value);
    value = Readable(value);
    const bool absent = value.empty() || row.setting.empty() || !whole || row.idle;
    text += absent ? "# " + name + (value.empty() ? " is not set" : " = " + Written(row, value))
                   : name + " = " + Written(row, value);
    if (!value.empty()) text += std::string("  # ") + NameOf(row.source);
    text +=
        whole ? "\n" : "; not as it is: it has bytes that are no UTF-8, which a file cannot have\n";
  }
  for (const ShownRoute& route : routes) {
    text += "# gateway.route " + route.name + ": " + Readable(route.prefix) + " -> " +
            Readable(route.upstream) + "\n";
  }
  return text;
}

std::string ShownAsJson(const OptionTable& table, const std::vector<ShownRoute>& routes) {
  JsonWriter writer;
  writer.Field("schema", 1).BeginArray("options");
  for (const Option& row : table.rows()) {
    const std::string value = row.text();
    writer.BeginObject().Field("name", row.name);
    if (value.empty()) {
      writer.Null("value");
    } else {
      writer.Field("value", Readable(value));
    }
    writer.Field("source", NameOf(row.source)).EndObject();
  }
  writer.EndArray().BeginArray("routes");
  for (const ShownRoute& route : routes) {
    writer.BeginObject()
        .Field("name", route.name)
        .Field("prefix", Readable(route.prefix))
        .Field("upstream", Readable(route.upstream))
        .EndObject();
  }
  return writer.EndArray().Take() + "\n";
}

std::string OptionDocument(const OptionTable& table) {
  std::string page =
      "# Options\n\n"
      "*Made of the table in `server/serve_table.cc`; `onced config example` makes a file of "
      "it.*\n\n"
      "What can be asked of `onced serve`, and who needs it. `--sync-interval 5ms` on the command "
      "line is\n"
      "`ONCED_SYNC_INTERVAL=5ms` in the environment and `sync_interval = \"5ms\"` in the file of "
      "`--config`; the\n"
      "first of these that is there counts. A flag without a value is `on` in the environment and "
      "`true` in the\n"
      "file; so is `on`. Durations are whole numbers of `ms`, `s`, `m`, `h` or `d`, sizes of "
      "bytes, `KiB` or `MiB`.\n"
      "In the file a relative path begins at the file's own folder. Secrets are never options: "
      "these name files;\n"
      "but for the password that the URL of `--store` may have, and need not (`PGPASSFILE`).\n"
      "The `[gateway]` section of the file has more: see GATEWAY.md beside this page.\n";
  std::string section = "none";
  for (const Option& row : table.rows()) {
    if (row.section != section) {
      page +=
          "\n" + (row.section.empty() ? "" : "## " + row.section + "\n\n") +
          "| flag | default | what it is | who needs it | in the file |\n|---|---|---|---|---|\n";
    }
    section = row.section;
    page += "| " + Code(row.flag() + (row.type.empty() ? "" : " " + row.type)) + " | " +
            Code(row.default_text) + " | " + Cell(row.help) + " | " + Cell(row.for_whom) + " | " +
            (row.setting.empty() ? (row.in_environment ? "no" : "no, nor in the environment")
                                 : Code(row.setting)) +
            " |\n";
  }
  return page;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/operations/log_line.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "server/json/json_writer.h"

namespace onced {
namespace {

// Of a field as it is written. All together stay below kLogLineMax.
constexpr size_t kMessageMax = 1'200;
constexpr size_t kFieldMax = 140;
constexpr std::string_view kCut = "...";

// How many bytes of `text`, which begins with none of ASCII, are a character in UTF-8; 0: it is
// none.
size_t CharacterIn(std::string_view text) {
  const auto byte = [text](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const unsigned first = byte(0);
  const size_t length = first < 0xC2   ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second >= 0xA0;
  const bool beyond = first == 0xF4 && second >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

// Takes the first character off `text`, or a byte that is none, and appends it in printable ASCII,
// as it stands within a JSON string.
void AppendFirst(std::string_view* text, std::string* out) {
  if (static_cast<unsigned char>(text->front()) >= 0x80 && CharacterIn(*text) == 0) {
    out->append("\\ufffd");
    text->remove_prefix(1);
  } else {
    AppendCodePointAscii(text, out);
  }
}

// `quotes`: as JSON must have it; for people quotes and backslashes stay what they are.
std::string Escaped(std::string_view text, size_t most, bool quotes) {
  std::string out;
  size_t fits = 0;  // where to cut so that kCut fits and no escape is split
  while (!text.empty() && out.size() <= most) {
    if (out.size() + kCut.size() <= most) fits = out.size();
    if (!quotes && (text.front() == '"' || text.front() == '\\')) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      AppendFirst(&text, &out);
    }
  }
  if (out.size() > most) out.replace(fits, std::string::npos, kCut);
  return out;
}

std::string Readable(std::string_view text, size_t most) {
  return Escaped(text, most, /*quotes=*/false);
}

std::string Milliseconds(int64_t us) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%lld.%03d",
                                 static_cast<long long>(us / 1'000), static_cast<int>(us % 1'000));
  return {text.data(), static_cast<size_t>(size)};
}

using Texts = std::array<std::pair<std::string_view, std::string_view>, 12>;
using Numbers = std::array<std::pair<std::string_view, int64_t>, 4>;

Texts TextsOf(const LogLine& line) {
  return {{{"request_id", line.request_id},
           {"trace_id", line.trace_id},
           {"span_id", line.span_id},
           {"trace_flags", line.trace_flags},
           {"method", line.method},
           {"route", line.route},
           {"outcome", line.outcome},
           {"remote", line.remote},
           {"upstream", line.upstream},
           {"key_hash", line.key_hash},
           {"url", line.url},
           {"error", line.error}}};
}

Numbers NumbersOf(const LogLine& line) {
  return {{{"status", line.status},
           {"bytes_in", line.bytes_in},
           {"bytes_out", line.bytes_out},
           {"suppressed", line.suppressed}}};
}

std::string_view ComponentOf(const LogLine& line) {
  return line.component.empty() ? RowOf(line.event).component : line.component;
}

std::string AsJson(const LogLine& line, int64_t unix_us) {
  const LogEventRow& row = RowOf(line.event);
  std::string out;
  out.reserve(512);
  const auto name = [&out](std::string_view field) {
    out.append(out.empty() ? "{\"" : ",\"").append(field).append("\":");
  };
  const auto text = [&](std::string_view field, std::string_view value, size_t most) {
    name(field);
    out.append("\"").append(Escaped(value, most, /*quotes=*/true)).append("\"");
  };
  text("ts", InstantText(unix_us, 6), kFieldMax);
  text("level", NameOf(row.level), kFieldMax);
  text("component", ComponentOf(line), kFieldMax);
  text("event", row.name, kFieldMax);
  text("msg", line.msg, kMessageMax);
  for (const auto& [field, value] : TextsOf(line)) {
    if (!value.empty()) text(field, value, kFieldMax);
  }
  for (const auto& [field, value] : NumbersOf(line)) {
    if (value < 0) continue;
    name(field);
    out.append(std::to_string(value));
  }
  if (line.duration_us >= 0) {
    name("duration_ms");
    out.append(Milliseconds(line.duration_us));
  }
  return out.append("}");
}

std::string AsText(const LogLine& line, int64_t unix_us) {
  const LogEventRow& row = RowOf(line.event);
  std::string out = InstantText(unix_us, 3).substr(11, 12) + " onced: ";
  if (row.level >= LogLevel::kWarn) {
    out.append(row.level == LogLevel::kWarn ? "warning: " : "error: ");
  }
  const std::string_view component = ComponentOf(line);
  if (component != "server") out.append(Readable(component, kFieldMax)).append(": ");
  out.append(Readable(line.msg, kMessageMax));
  for (const auto& [field, value] : TextsOf(line)) {
    if (value.empty()) continue;
    out.append(" ").append(field).append("=").append(Readable(value, kFieldMax));
  }
  for (const auto& [field, value] : NumbersOf(line)) {
    if (value >= 0) out.append(" ").append(field).append("=").append(std::to_string(value));
  }
  if (line.duration_us >= 0) out.append(" duration_ms=").append(Milliseconds(line.duration_us));
  return out;
}

}  // namespace

std::string LogText(const LogLine& line, LogFormat format, int64_t unix_us) {
  return format == LogFormat::kJson ? AsJson(line, unix_us) : AsText(line, unix_us);
}

std::string InstantText(int64_t unix_us, int digits) {
  const time_t seconds = unix_us / 1'000'000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  const int64_t us = unix_us % 1'000'000;
  std::array<char, 64> text{};
  size_t size = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  size +=
      static_cast<size_t>(std::snprintf(text.data() + size, text.size() - size, ".%0*lldZ", digits,
                                        static_cast<long long>(digits == 3 ? us / 1'000 : us)));
  return {text.data(), size};
}

}  // namespace onced

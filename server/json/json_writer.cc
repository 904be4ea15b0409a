// SPDX-License-Identifier: MIT
#include "server/json/json_writer.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"

namespace onced {
namespace {

// What has an escape of its own, and its letter.
constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
constexpr std::string_view kShortLetters = "\"\\bfnrt";

constexpr size_t kNameShown = 64;  // characters of a field's name in an error message

void AppendUnit(char32_t unit, std::string* out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  *out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) *out += kHex[unit >> shift & 15];
}

// Appends the escape of an ASCII character.
void AppendEscape(char c, std::string* out) {
  const size_t at = kShort.find(c);
  if (at == std::string_view::npos) {
    AppendUnit(static_cast<unsigned char>(c), out);
  } else {
    *out += '\\';
    *out += kShortLetters[at];
  }
}

bool MustEscape(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

// Without a way out of the loop the compiler looks at 16 characters at a time.
bool NeedsNoEscape(std::string_view text) {
  unsigned char found = 0;
  for (const char c : text) {
    found |= static_cast<unsigned char>(c == '"') | static_cast<unsigned char>(c == '\\') |
             static_cast<unsigned char>(static_cast<unsigned char>(c) < 0x20);
  }
  return found == 0;
}

}  // namespace

JsonWriter::JsonWriter(size_t bytes_expected) {
  out_.reserve(bytes_expected);
  Begin('{');
}

JsonWriter& JsonWriter::Field(std::string_view name, std::string_view value) {
  Name(name);
  AppendJsonString(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::RawField(std::string_view name, std::string_view json) {
  ONCED_CHECK(!json.empty());
  Name(name).out_ += json;
  return *this;
}

JsonWriter& JsonWriter::Element(std::string_view value) {
  Slot();
  AppendJsonString(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::RawElement(std::string_view json) {
  ONCED_CHECK(!json.empty());
  Slot().out_ += json;
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  ONCED_CHECK(open_.size() > 1);  // the outermost is Take's to close
  return End('}');
}

JsonWriter& JsonWriter::EndArray() { return End(']'); }

std::string JsonWriter::Take() {
  ONCED_CHECK(open_.size() == 1);
  End('}');
  return std::move(out_);
}

JsonWriter& JsonWriter::Name(std::string_view name) {
  ONCED_CHECK(!open_.empty() && open_.back() == '}');
  Comma();
  AppendJsonString(name, &out_);
  out_ += ':';
  return *this;
}

JsonWriter& JsonWriter::Slot() {
  ONCED_CHECK(!open_.empty() && open_.back() == ']');
  Comma();
  return *this;
}

JsonWriter& JsonWriter::Begin(char bracket) {
  out_ += bracket;
  open_ += bracket == '{' ? '}' : ']';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::End(char bracket) {
  ONCED_CHECK(!open_.empty() && open_.back() == bracket);
  out_ += bracket;
  open_.pop_back();
  first_ = false;
  return *this;
}

void JsonWriter::Comma() {
  if (!first_) out_ += ',';
  first_ = false;
}

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  size_t plain = 0;
  for (size_t at = NeedsNoEscape(text) ? text.size() : 0; at < text.size(); ++at) {
    if (!MustEscape(text[at])) continue;
    out->append(text.substr(plain, at - plain));
    AppendEscape(text[at], out);
    plain = at + 1;
  }
  out->append(text.substr(plain));
  *out += '"';
}

void AppendCodePointAscii(std::string_view* text, std::string* out) {
  const auto first = static_cast<unsigned char>(text->front());
  const size_t announced = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  const size_t length = std::min(announced, text->size());
  char32_t c = announced == 1 ? first : first & (0x7Fu >> announced);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (static_cast<unsigned char>((*text)[i]) & 0x3F);
  text->remove_prefix(length);
  if (c >= 0x10000) {
    AppendUnit(0xD800 + ((c - 0x10000) >> 10), out);
    AppendUnit(0xDC00 + ((c - 0x10000) & 0x3FF), out);
  } else if (c >= 0x7F) {
    AppendUnit(c, out);
  } else if (MustEscape(static_cast<char>(c))) {
    AppendEscape(static_cast<char>(c), out);
  } else {
    *out += static_cast<char>(c);
  }
}

std::string PrintableName(std::string_view name) {
  constexpr std::string_view kCut = "...";
  std::string shown;
  size_t fits = 0;  // where to cut so that kCut fits and no escape is split
  while (!name.empty() && shown.size() <= kNameShown) {
    if (shown.size() + kCut.size() <= kNameShown) fits = shown.size();
    AppendCodePointAscii(&name, &shown);
  }
  if (shown.size() > kNameShown) shown.replace(fits, std::string::npos, kCut);
  return shown;
}

}  // namespace onced

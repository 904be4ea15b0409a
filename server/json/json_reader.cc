// SPDX-License-Identifier: MIT
#include "server/json/json_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/json/json_writer.h"

namespace onced {
namespace {

constexpr size_t kFewMembers = 16;   // up to here, comparing all pairs beats an allocation
constexpr size_t kMembersUsual = 8;  // a claim with every option has nine, most have four
constexpr int kStackBits = 64;       // of JsonTokens::in_object_

// What may follow a backslash, but for 'u', and what it then stands for.
constexpr std::string_view kEscapeLetters = "\"\\/bfnrt";
constexpr std::string_view kEscaped = "\"\\/\b\f\n\r\t";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// -1 when `c` is no hex digit.
int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Length of the UTF-8 sequence of two to four bytes that `text` starts with; 0 when there is none:
// a stray or missing continuation byte, an overlong form, a surrogate, or beyond U+10FFFF. All of
// those but the first show in the range of the second byte.
size_t MultiByteLength(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  const unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

void AppendUtf8(char32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
    return;
  }
  const int tails = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  *out += static_cast<char>((0xFF00u >> (tails + 1)) | (c >> (6 * tails)));
  for (int i = tails - 1; i >= 0; --i) *out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
}

// The code unit XXXX of a valid \uXXXX at the front of `text`; 0, which pairs with nothing,
// otherwise.
char32_t UnitOf(std::string_view text) {
  if (!text.starts_with("\\u")) return 0;
  char32_t unit = 0;
  for (const char c : text.substr(2, 4)) unit = unit << 4 | static_cast<char32_t>(HexValue(c));
  return unit;
}

// Appends what the escape at the front of `text` stands for; returns its length. Two \u that make a
// surrogate pair are one escape.
size_t AppendEscape(std::string_view text, std::string* out) {
  if (text[1] != 'u') {
    *out += kEscaped[kEscapeLetters.find(text[1])];
    return 2;
  }
  const char32_t high = UnitOf(text);
  const char32_t low = UnitOf(text.substr(6));
  const bool is_pair = high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000;
  AppendUtf8(is_pair ? 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00) : high, out);
  return is_pair ? 12 : 6;
}

// In decoded text, 0xED before 0xA0 or more starts a surrogate and nothing else.
bool HasLoneSurrogate(std::string_view decoded) {
  size_t at = 0;
  while ((at = decoded.find('\xED', at)) != std::string_view::npos) {
    if (static_cast<unsigned char>(decoded[++at]) >= 0xA0) return true;
  }
  return false;
}

bool Opens(const JsonTokens& tokens, JsonKind kind) {
  return tokens.token().type == JsonToken::Type::kOpen && tokens.token().kind == kind;
}

Status Refuse(std::string_view label, std::string_view what) {
  return Status::InvalidArgument(std::string(label).append(": ").append(what));
}

}  // namespace

JsonTokens::JsonTokens(std::string_view text, const JsonRules& rules) : text_(text), rules_(rules) {
  ONCED_CHECK(rules.depth_max > 0 && rules.depth_max + rules.envelope <= kStackBits);
}

bool JsonTokens::Next() {
  if (!status_.ok()) return false;
  SkipSpace();
  switch (expect_) {
    case Expect::kValue:
      return ReadValue("a value");
    case Expect::kElementOrClose:
      return Peek() == ']' ? Close() : ReadValue("a value or ']'");
    case Expect::kNameOrClose:
      return Peek() == '}' ? Close() : ReadName("a field name or '}'");
    case Expect::kCommaOrClose:
      return ReadSeparator();
    case Expect::kEnd:
      return at_ < text_.size() && FailAt(at_, "extra text after the value");
  }
  return false;
}

bool JsonTokens::NextValue() {
  if (!Next()) return false;
  if (token_.type != JsonToken::Type::kOpen) return true;
  const JsonKind kind = token_.kind;
  const size_t begin = at_ - 1;
  for (const int outer = depth_ - 1; depth_ > outer;) {
    if (!Next()) return false;
  }
  token_ = {JsonToken::Type::kValue, kind, text_.substr(begin, at_ - begin)};
  return true;
}

bool JsonTokens::ReadValue(const char* expected) {
  const size_t begin = at_;
  const char c = Peek();
  if (c == '{') return Open(JsonKind::kObject);
  if (c == '[') return Open(JsonKind::kArray);
  if (c == '"') return SkipString() && Emit(JsonKind::kString, begin);
  if (c == '-' || IsDigit(c)) return ReadNumber();
  if (c == 't') return ReadWord("true", JsonKind::kTrue);
  if (c == 'f') return ReadWord("false", JsonKind::kFalse);
  if (c == 'n') return ReadWord("null", JsonKind::kNull);
  if (depth_ > 0) return Expected(expected);
  if (at_ == text_.size()) return Fail("empty");
  // It shows in no editor, so it is worth a name.
  if (text_.starts_with("\xEF\xBB\xBF")) return FailAt(at_, "byte order mark");
  return Expected(expected);
}

bool JsonTokens::ReadName(const char* expected) {
  const size_t begin = at_;
  if (Peek() != '"') return Expected(expected);
  if (!SkipString()) return false;
  const size_t length = at_ - begin;
  SkipSpace();
  if (Peek() != ':') return Expected("':'");
  ++at_;
  token_ = {JsonToken::Type::kName, JsonKind::kString, text_.substr(begin, length)};
  expect_ = Expect::kValue;
  return true;
}

bool JsonTokens::ReadSeparator() {
  const bool in_object = (in_object_ & 1) != 0;
  if (Peek() == (in_object ? '}' : ']')) return Close();
  if (Peek() != ',') return Expected(in_object ? "',' or '}'" : "',' or ']'");
  ++at_;
  SkipSpace();
  return in_object ? ReadName("a field name") : ReadValue("a value");
}

bool JsonTokens::ReadNumber() {
  const size_t begin = at_;
  JsonKind kind = JsonKind::kInteger;
  if (Peek() == '-') ++at_;
  if (Peek() == '0') {
    ++at_;
    if (IsDigit(Peek())) return FailAt(begin, "number with a leading zero");
  } else if (!SkipDigits()) {
    return Expected("a digit");
  }
  if (Peek() == '.') {
    kind = JsonKind::kNumber;
    ++at_;
    if (!SkipDigits()) return Expected("a digit");
  }
  if (Peek() == 'e' || Peek() == 'E') {
    kind = JsonKind::kNumber;
    ++at_;
    if (Peek() == '+' || Peek() == '-') ++at_;
    if (!SkipDigits()) return Expected("a digit");
  }
  return Emit(kind, begin);
}

bool JsonTokens::ReadWord(std::string_view word, JsonKind kind) {
  if (!text_.substr(at_).starts_with(word)) return Expected("a value");
  const size_t begin = at_;
  at_ += word.size();
  return Emit(kind, begin);
}

bool JsonTokens::Open(JsonKind kind) {
  if (depth_ == rules_.depth_max + rules_.envelope) {
    return Fail("nested deeper than " + std::to_string(rules_.depth_max));
  }
  const bool is_object = kind == JsonKind::kObject;
  token_ = {JsonToken::Type::kOpen, kind, text_.substr(at_, 1)};
  ++at_;
  ++depth_;
  in_object_ = in_object_ << 1 | (is_object ? 1 : 0);
  expect_ = is_object ? Expect::kNameOrClose : Expect::kElementOrClose;
  return true;
}

bool JsonTokens::Close() {
  const JsonKind kind = (in_object_ & 1) != 0 ? JsonKind::kObject : JsonKind::kArray;
  --depth_;
  in_object_ >>= 1;
  ++at_;
  Emit(kind, at_ - 1);
  token_.type = JsonToken::Type::kClose;
  return true;
}

// From the opening quote to behind the closing one.
bool JsonTokens::SkipString() {
  const size_t begin = at_++;
  for (;;) {
    SkipPlain();
    if (at_ == text_.size()) return FailAt(begin, "unterminated string");
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      return true;
    }
    if (c == '\\') {
      if (!SkipEscape()) return false;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      return FailAt(at_, "control character in a string");
    } else {
      const size_t length = MultiByteLength(text_.substr(at_));
      if (length == 0) return FailAt(at_, "not valid UTF-8");
      at_ += length;
    }
  }
}

bool JsonTokens::SkipEscape() {
  const std::string_view escape = text_.substr(at_, 6);
  const auto is_hex = [](char c) { return HexValue(c) >= 0; };
  if (escape.size() > 1 && kEscapeLetters.find(escape[1]) != std::string_view::npos) {
    at_ += 2;
  } else if (escape.size() == 6 && escape[1] == 'u' &&
             std::all_of(escape.begin() + 2, escape.end(), is_hex)) {
    at_ += 6;
  } else {
    return FailAt(at_, "bad escape in a string");
  }
  return true;
}

void JsonTokens::SkipPlain() {
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c - 0x20) >= 0x60) return;
  }
}

void JsonTokens::SkipSpace() {
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
  }
}

bool JsonTokens::SkipDigits() {
  const size_t begin = at_;
  while (IsDigit(Peek())) ++at_;
  return at_ > begin;
}

// A value from `begin` to here, after which its container goes on or the text ends.
bool JsonTokens::Emit(JsonKind kind, size_t begin) {
  token_ = {JsonToken::Type::kValue, kind, text_.substr(begin, at_ - begin)};
  expect_ = depth_ == 0 ? Expect::kEnd : Expect::kCommaOrClose;
  return true;
}

bool JsonTokens::Expected(const char* what) { return FailAt(at_, std::string("expected ") + what); }

bool JsonTokens::FailAt(size_t at, std::string what) {
  what.append(" at byte ").append(std::to_string(at));
  if (at == text_.size()) what += " (end of text)";
  return Fail(what);
}

bool JsonTokens::Fail(const std::string& what) {
  status_ = Refuse(rules_.label, what);
  return false;
}

Result<std::string> JsonMember::AsString() const {
  if (kind != JsonKind::kString) return Refuse(PrintableName(name), "must be a string");
  std::string decoded = DecodeJsonString(raw);
  if (HasLoneSurrogate(decoded)) return Refuse(PrintableName(name), "lone surrogate");
  return decoded;
}

Result<int64_t> JsonMember::AsInt64() const {
  if (kind != JsonKind::kInteger) return Refuse(PrintableName(name), "must be an integer");
  int64_t value = 0;
  const std::from_chars_result read = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (read.ec != std::errc()) return Refuse(PrintableName(name), "integer out of range");
  return value;
}

Result<bool> JsonMember::AsBool() const {
  if (kind == JsonKind::kTrue) return true;
  if (kind == JsonKind::kFalse) return false;
  return Refuse(PrintableName(name), "must be true or false");
}

Result<JsonObject> JsonObject::Parse(std::string_view text, const JsonRules& rules) {
  JsonTokens tokens(text, rules);
  if (!tokens.Next()) return tokens.status();
  if (!Opens(tokens, JsonKind::kObject)) return Refuse(rules.label, "must be a JSON object");
  JsonObject object;
  object.members_.reserve(kMembersUsual);
  while (tokens.Next() && tokens.token().type == JsonToken::Type::kName) {
    std::string name = DecodeJsonString(tokens.token().raw);
    if (!tokens.NextValue()) break;
    object.members_.push_back({std::move(name), tokens.token().kind, tokens.token().raw});
  }
  ONCED_RETURN_IF_ERROR(tokens.Finish());
  if (const std::string* name = object.FindDuplicate()) {
    return Refuse(rules.label, "duplicate field \"" + PrintableName(*name) + "\"");
  }
  return object;
}

const JsonMember* JsonObject::Find(std::string_view name) const {
  for (const JsonMember& member : members_) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

const std::string* JsonObject::FindDuplicate() const {
  if (members_.size() <= kFewMembers) {
    for (const JsonMember& member : members_) {
      if (Find(member.name) != &member) return &member.name;
    }
    return nullptr;
  }
  // A hostile body has a hundred thousand names, so not all pairs of them.
  std::vector<const std::string*> names;
  names.reserve(members_.size());
  for (const JsonMember& member : members_) names.push_back(&member.name);
  std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto twice = std::adjacent_find(names.begin(), names.end(),
                                        [](const auto* a, const auto* b) { return *a == *b; });
  return twice == names.end() ? nullptr : *twice;
}

Result<std::vector<std::string_view>> JsonArrayElements(std::string_view text,
                                                        const JsonRules& rules) {
  JsonTokens tokens(text, rules);
  if (!tokens.Next()) return tokens.status();
  if (!Opens(tokens, JsonKind::kArray)) return Refuse(rules.label, "must be an array");
  std::vector<std::string_view> elements;
  while (tokens.NextValue() && tokens.token().type == JsonToken::Type::kValue) {
    elements.push_back(tokens.token().raw);
  }
  ONCED_RETURN_IF_ERROR(tokens.Finish());
  return elements;
}

std::string DecodeJsonString(std::string_view raw) {
  ONCED_CHECK(raw.size() >= 2);
  std::string_view rest = raw.substr(1, raw.size() - 2);
  std::string decoded;
  while (!rest.empty()) {
    const size_t plain = std::min(rest.find('\\'), rest.size());
    decoded.append(rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (!rest.empty()) rest.remove_prefix(AppendEscape(rest, &decoded));
  }
  return decoded;
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/web/stored_answer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "server/json/json_reader.h"
#include "server/json/json_writer.h"
#include "server/wire/field_syntax.h"

namespace onced {
namespace {

using Type = JsonToken::Type;

constexpr int kStatusMin = 200;
constexpr int kStatusMax = 599;
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::array<std::string_view, 13> kNotForAnswers = {
    "connection",      "content-length",     "date",
    "keep-alive",      "proxy-authenticate", "proxy-connection",
    "set-cookie",      "set-cookie2",        "te",
    "trailer",         "transfer-encoding",  "upgrade",
    "www-authenticate"};

constexpr uint8_t kNoDigit = 0xFF;
constexpr std::array<uint8_t, 256> DigitsOfBase64() {
  std::array<uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (size_t i = 0; i < kBase64.size(); ++i) {
    digits[static_cast<unsigned char>(kBase64[i])] = static_cast<uint8_t>(i);
  }
  return digits;
}
constexpr std::array<uint8_t, 256> kDigits = DigitsOfBase64();

Status Wrong(std::string_view field, std::string_view what) {
  return Status::InvalidArgument(std::string(field).append(": ").append(what));
}

std::string Base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP ends it with a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

// The bytes, when `text` is the one way to write them (RFC 4648, 4). EVP_DecodeBlock would let
// white space, padding anywhere and stray bits pass.
std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes(text.size() / 4 * 3, '\0');
  char* out = bytes.data();
  unsigned wrong = 0;
  uint32_t quad = 0;
  for (size_t at = 0; at < text.size(); at += 4) {
    quad = 0;
    for (size_t i = 0; i < 4; ++i) {
      const bool pads = at + i >= text.size() - padding;
      const uint8_t digit = pads ? 0 : kDigits[static_cast<unsigned char>(text[at + i])];
      wrong |= digit & 0xC0;
      quad = quad << 6 | (digit & 0x3F);
    }
    *out++ = static_cast<char>(quad >> 16);
    *out++ = static_cast<char>(quad >> 8);
    *out++ = static_cast<char>(quad);
  }
  const uint32_t stray = quad & ((1U << (8 * padding)) - 1);
  if (wrong != 0 || stray != 0) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string TextOfBytes(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) text += static_cast<char>(0xC0 | (byte >> 6));
    text += byte >= 0x80 ? static_cast<char>(0x80 | (byte & 0x3F)) : c;
  }
  return text;
}

// nullopt: a code point beyond U+00FF. REQUIRES: `text` is decoded, as json_reader.h has it.
std::optional<std::string> BytesOfText(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first > 0xC3) return std::nullopt;
    if (first >= 0x80) ++i;
    bytes += first < 0x80 ? text[i] : static_cast<char>((first & 3) << 6 | (text[i] & 0x3F));
  }
  return bytes;
}

std::optional<std::string> ReadBytes(std::string_view raw) {
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  if (inside.find('\\') == std::string_view::npos && IsAscii(inside)) return std::string(inside);
  return BytesOfText(DecodeJsonString(raw));
}

bool IsForAnswers(std::string_view name) {
  constexpr auto same = [](char lower, char c) { return lower == (c | 0x20); };
  return std::none_of(kNotForAnswers.begin(), kNotForAnswers.end(), [&](std::string_view other) {
    return std::equal(other.begin(), other.end(), name.begin(), name.end(), same);
  });
}

bool IsString(const JsonTokens& tokens) {
  return tokens.token().type == Type::kValue && tokens.token().kind == JsonKind::kString;
}
bool Opens(const JsonTokens& tokens, JsonKind kind) {
  return tokens.token().type == Type::kOpen && tokens.token().kind == kind;
}

// Reads one answer, field by field. Errors of syntax are the tokens' own.
class Reader {
 public:
  explicit Reader(std::string_view json) : tokens_(json, {.label = "stored answer"}) {}

  Result<StoredAnswer> Read() {
    if (!tokens_.Next()) return tokens_.status();
    if (!Opens(tokens_, JsonKind::kObject)) return Wrong("stored answer", "must be a JSON object");
    while (tokens_.Next() && tokens_.token().type == Type::kName) {
      const std::string name = DecodeJsonString(tokens_.token().raw);
      ONCED_RETURN_IF_ERROR(ReadField(name));
    }
    ONCED_RETURN_IF_ERROR(tokens_.Finish());
    ONCED_RETURN_IF_ERROR(CheckWhole());
    return std::move(answer_);
  }

 private:
  enum Seen : unsigned { kStatus = 1, kHeaders = 2, kBody = 4, kOmitted = 8, kConsumed = 16 };

  Status ReadField(const std::string& name) {
    if (name == "status") return First(kStatus) ? ReadStatus() : Twice(name);
    if (name == "headers") return First(kHeaders) ? ReadHeaders() : Twice(name);
    if (name == "body_base64") return First(kBody) ? ReadBody() : Twice(name);
    if (name == "body_omitted") {
      return First(kOmitted) ? ReadTrue("body_omitted", &answer_.body_omitted) : Twice(name);
    }
    if (name == "consumed") {
      return First(kConsumed) ? ReadTrue("consumed", &answer_.consumed) : Twice(name);
    }
    return Wrong(PrintableName(name), "unknown field");
  }
  bool First(Seen field) {
    const bool first = (seen_ & field) == 0;
    seen_ |= field;
    return first;
  }
  static Status Twice(const std::string& name) { return Wrong(name, "given twice"); }

  Status ReadStatus() {
    if (!tokens_.NextValue()) return tokens_.status();
    const std::string_view raw = tokens_.token().raw;
    int status = 0;
    if (tokens_.token().kind == JsonKind::kInteger) {
      std::from_chars(raw.data(), raw.data() + raw.size(), status);  // 0 when out of range
    }
    if (status < kStatusMin || status > kStatusMax) {
      return Wrong("status", "must be an integer from 200 to 599");
    }
    answer_.status = status;
    return Status::Ok();
  }

  Status ReadTrue(const char* name, bool* flag) {
    if (!tokens_.NextValue()) return tokens_.status();
    if (tokens_.token().kind != JsonKind::kTrue) return Wrong(name, "must be true, or left out");
    *flag = true;
    return Status::Ok();
  }

  Status ReadBody() {
    if (!tokens_.NextValue()) return tokens_.status();
    std::string_view raw = tokens_.token().raw;
    std::optional<std::string> bytes;
    if (IsString(tokens_)) {
      const bool plain = raw.find('\\') == std::string_view::npos;
      bytes = FromBase64(plain ? raw.substr(1, raw.size() - 2)
                               : std::string_view(unescaped_ = DecodeJsonString(raw)));
    }
    if (!bytes.has_value()) return Wrong("body_base64", "must be base64 (RFC 4648), with padding");
    answer_.body = *std::move(bytes);
    return Status::Ok();
  }

  static Status WrongShape() { return Wrong("headers", "must be an array of [name, value]"); }
  Status ReadHeaders() {
    if (!tokens_.Next()) return tokens_.status();
    if (!Opens(tokens_, JsonKind::kArray)) return WrongShape();
    while (tokens_.Next() && tokens_.token().type != Type::kClose) {
      if (!Opens(tokens_, JsonKind::kArray)) return WrongShape();
      std::array<std::string_view, 2> pair;
      for (std::string_view& raw : pair) {
        if (!tokens_.Next()) return tokens_.status();
        if (!IsString(tokens_)) return WrongShape();
        raw = tokens_.token().raw;
      }
      if (!tokens_.Next()) return tokens_.status();
      if (tokens_.token().type != Type::kClose) return WrongShape();
      ONCED_RETURN_IF_ERROR(AddHeader(pair[0], pair[1]));
    }
    return tokens_.status();
  }

  Status AddHeader(std::string_view raw_name, std::string_view raw_value) {
    std::optional<std::string> name = ReadBytes(raw_name);
    if (!name.has_value() || !wire::IsToken(*name)) {
      return Wrong("headers", "a name must be a token (RFC 9110, 5.6.2)");
    }
    if (!IsForAnswers(*name)) {
      const std::string shown = PrintableName(*name);
      return Wrong("headers", "\"" + shown + "\" is not kept with an answer");
    }
    std::optional<std::string> value = ReadBytes(raw_value);
    if (!value.has_value()) {
      return Wrong("headers", "a value must be of bytes, written as U+0000..U+00FF");
    }
    if (!wire::IsFieldText(*value)) return Wrong("headers", "a value has a control character");
    answer_.headers.emplace_back(*std::move(name), *std::move(value));
    return Status::Ok();
  }

  Status CheckWhole() const {
    if ((seen_ & kStatus) == 0) return Wrong("status", "is required");
    if (answer_.consumed) {
      if (seen_ == (kStatus | kConsumed)) return Status::Ok();
      return Wrong("consumed", "goes with the status alone");
    }
    if ((seen_ & kHeaders) == 0) return Wrong("headers", "is required");
    if ((seen_ & (kBody | kOmitted)) == 0) {
      return Wrong("body_base64", "is required, or \"body_omitted\"");
    }
    if ((seen_ & (kBody | kOmitted)) == (kBody | kOmitted)) {
      return Wrong("body_omitted", "does not go with a body");
    }
    return Status::Ok();
  }

  JsonTokens tokens_;
  StoredAnswer answer_;
  unsigned seen_ = 0;
  std::string unescaped_;
};

}  // namespace

std::string StoredAnswer::Encode() const {
  JsonWriter w(256 + body.size() / 3 * 4);
  w.Field("status", status);
  if (consumed) return w.Field("consumed", true).Take();
  w.BeginArray("headers");
  for (const auto& [name, value] : headers) {
    w.BeginArray().Element(name);
    w.Element(IsAscii(value) ? std::string_view(value) : std::string_view(TextOfBytes(value)));
    w.EndArray();
  }
  w.EndArray();
  if (body_omitted) return w.Field("body_omitted", true).Take();
  return w.Field("body_base64", Base64(body)).Take();
}

Result<StoredAnswer> StoredAnswer::Parse(std::string_view json) { return Reader(json).Read(); }

}  // namespace onced

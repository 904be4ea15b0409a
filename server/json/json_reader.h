// SPDX-License-Identifier: MIT
// Strict JSON (RFC 8259), read in place: tokens, the fields of a body, the elements of an array.
//
// It is ours and not a library's because a `result` is kept byte for byte (so we need raw extents,
// not values), a lone "\ud800" and 1e999 inside it are legal and none of our business, integers
// stay exact, and a field given twice must be found and named. No tree is built. Nothing recurses:
// depth is the sender's choice. Error messages quote the text only where they name a field.
//
// Threads: values without shared state; use each from one thread.
// Invariants: 1. every view handed out points into the text given, which must outlive it.
// 2. JsonTokens is the only judge of syntax, so all doors refuse the same texts.
// 3. Decoded text is UTF-8, except that a lone surrogate stays one, in the three bytes UTF-8 would
// give it (WTF-8). Byte order is therefore code point order, and no two spellings of a name differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace onced {

inline constexpr int kJsonDepthMax = 32;

struct JsonRules {
  std::string_view label = "body";  // what every error message starts with; must outlive the reader
  // How many arrays and objects may be open at once; with `envelope` at most 64.
  int depth_max = kJsonDepthMax;
  // How many more of our own stand around the caller's: one for a body whose `result` may be
  // depth_max deep, three for a batch of such bodies. Not counted in what an error says.
  int envelope = 0;
};

enum class JsonKind {
  kObject,
  kArray,
  kString,
  kInteger,  // no fraction and no exponent, of any length
  kNumber,   // any other number
  kTrue,
  kFalse,
  kNull,
};

struct JsonToken {
  enum class Type {
    kOpen,   // '{' or '['
    kClose,  // '}' or ']'
    kName,   // a field's name; the ':' after it is consumed too
    kValue,  // a scalar; after NextValue() also a whole object or array
  };
  Type type;
  JsonKind kind;         // of kOpen and kClose: kObject or kArray; of kName: kString
  std::string_view raw;  // its exact bytes, with the quotes of a string
};

// One value, token by token. Allocates nothing before an error.
//   while (tokens.Next()) Use(tokens.token());
//   return tokens.status();
class JsonTokens {
 public:
  explicit JsonTokens(std::string_view text, const JsonRules& rules = {});

  // Moves to the next token. False at the end of the text and, for good, at an error: status() says
  // which. The text was valid as a whole only when Next() was called until it said false.
  bool Next();
  // The same, but an object or array that opens is passed over in one step, as one kValue.
  bool NextValue();
  // The verdict on the whole text: reads what is left of it.
  Status Finish() {
    while (Next()) {
    }
    return status_;
  }

  const JsonToken& token() const { return token_; }  // of the last call that returned true
  const Status& status() const { return status_; }

 private:
  enum class Expect { kValue, kElementOrClose, kNameOrClose, kCommaOrClose, kEnd };

  bool ReadValue(const char* expected);
  bool ReadName(const char* expected);
  bool ReadSeparator();
  bool ReadNumber();
  bool ReadWord(std::string_view word, JsonKind kind);
  bool Open(JsonKind kind);
  bool Close();
  bool SkipString();
  bool SkipEscape();
  void SkipPlain();
  void SkipSpace();
  bool SkipDigits();
  bool Emit(JsonKind kind, size_t begin);
  bool Expected(const char* what);
  bool FailAt(size_t at, std::string what);
  bool Fail(const std::string& what);
  // 0 at the end, which is never what is looked for: outside strings a NUL is an error anyway.
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  const std::string_view text_;
  const JsonRules rules_;
  size_t at_ = 0;
  Expect expect_ = Expect::kValue;
  int depth_ = 0;
  uint64_t in_object_ = 0;  // the stack: lowest bit = innermost container is an object
  JsonToken token_{};
  Status status_ = Status::Ok();
};

// Ok when `text` is one JSON value within the depth, with nothing but white space around it.
// A name given twice is legal here.
inline Status ValidateJson(std::string_view text, const JsonRules& rules = {}) {
  return JsonTokens(text, rules).Finish();
}

// One field of an object. The accessors' messages start with the field's name.
struct JsonMember {
  std::string name;  // decoded
  JsonKind kind = JsonKind::kNull;
  std::string_view raw;  // the value's exact bytes

  Result<std::string> AsString() const;  // a lone surrogate is an error: it has no UTF-8
  Result<int64_t> AsInt64() const;       // 1.0 and 1e3 are errors
  Result<bool> AsBool() const;
};

// A text that must be an object: its fields in the order given, each name once. Deeper objects may
// repeat a name.
class JsonObject {
 public:
  static Result<JsonObject> Parse(std::string_view text, const JsonRules& rules = {});

  const std::vector<JsonMember>& members() const { return members_; }
  // Null when there is none. Linear: bodies have a handful of fields.
  const JsonMember* Find(std::string_view name) const;

 private:
  const std::string* FindDuplicate() const;

  std::vector<JsonMember> members_;
};

// The exact bytes of each element of `text`, which must be an array.
Result<std::vector<std::string_view>> JsonArrayElements(std::string_view text,
                                                        const JsonRules& rules = {});

// A string or name as decoded text (invariant 3).
// REQUIRES: `raw` is a valid JSON string, quotes included: a token's or a member's.
std::string DecodeJsonString(std::string_view raw);

}  // namespace onced

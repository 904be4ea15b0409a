// SPDX-License-Identifier: MIT
// One walk over the tokens keeps the path to where it stands; both questions are asked of that.
#include "server/json/json_pointer.h"

#include <algorithm>
#include <utility>

namespace onced {
namespace {

// Where the walk stands: the open objects and arrays, outermost first.
class Path {
 public:
  void Open(JsonKind kind) { open_.push_back({.kind = kind}); }
  void Close() { open_.pop_back(); }
  void Name(std::string name) { open_.back().step = std::move(name); }
  // Before each value: an array's next element.
  void Arrive() {
    if (open_.empty() || open_.back().kind != JsonKind::kArray) return;
    open_.back().step = std::to_string(open_.back().count++);
  }

  bool in_array() const { return !open_.empty() && open_.back().kind == JsonKind::kArray; }
  bool Is(const JsonPointer& pointer) const {
    return std::equal(
        open_.begin(), open_.end(), pointer.steps().begin(), pointer.steps().end(),
        [](const Level& level, const std::string& step) { return level.step == step; });
  }

 private:
  struct Level {
    JsonKind kind;
    size_t count = 0;
    std::string step;
  };
  std::vector<Level> open_;
};

// Writes tokens back as they came, with the commas that belong between them.
class Copy {
 public:
  void Put(std::string_view raw) {
    if (comma_) out_ += ',';
    out_.append(raw);
    comma_ = true;
  }
  void Name(std::string_view raw) {
    Put(raw);
    out_ += ':';
    comma_ = false;
  }
  void Open(JsonKind kind) {
    Put(kind == JsonKind::kObject ? "{" : "[");
    comma_ = false;
  }
  void Close(JsonKind kind) {
    out_ += kind == JsonKind::kObject ? '}' : ']';
    comma_ = true;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
  bool comma_ = false;
};

}  // namespace

Result<JsonPointer> JsonPointer::Parse(std::string_view text) {
  JsonPointer pointer;
  pointer.text_ = text;
  if (text.empty()) return pointer;
  if (text.front() != '/')
    return Status::InvalidArgument("must be a JSON pointer, such as \"/meta/id\"");
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      pointer.steps_.emplace_back();
    } else if (text[i] != '~') {
      pointer.steps_.back() += text[i];
    } else if (++i < text.size() && (text[i] == '0' || text[i] == '1')) {
      pointer.steps_.back() += text[i] == '0' ? '~' : '/';
    } else {
      return Status::InvalidArgument("must be a JSON pointer: ~ is followed by 0 or 1 in it");
    }
  }
  return pointer;
}

Result<std::optional<JsonValue>> ValueAt(std::string_view json, const JsonPointer& pointer) {
  ONCED_RETURN_IF_ERROR(ValidateJson(json));
  JsonTokens tokens(json);
  if (pointer.steps().empty()) {
    tokens.NextValue();
    return std::optional(JsonValue{tokens.token().kind, tokens.token().raw});
  }
  Path path;
  std::optional<JsonValue> value;
  while (tokens.Next()) {
    const JsonToken token = tokens.token();
    std::optional<JsonValue> here;
    if (token.type == JsonToken::Type::kClose) {
      path.Close();
      continue;
    }
    if (token.type == JsonToken::Type::kName) {
      path.Name(DecodeJsonString(token.raw));
      if (!path.Is(pointer)) continue;
      tokens.NextValue();
      here = JsonValue{tokens.token().kind, tokens.token().raw};
    } else {
      path.Arrive();
      if (path.Is(pointer)) {
        // Of an array or object the extent is found by a second reader that begins where it does.
        JsonTokens rest(json.substr(static_cast<size_t>(token.raw.data() - json.data())));
        rest.NextValue();
        here = JsonValue{token.kind, rest.token().raw};
      }
      if (token.type == JsonToken::Type::kOpen) path.Open(token.kind);
    }
    if (!here.has_value()) continue;
    if (value.has_value()) return Status::InvalidArgument("a name is given twice");
    value = here;
  }
  return value;
}

Result<std::string> WithoutValues(std::string_view json, std::span<const JsonPointer> pointers) {
  ONCED_RETURN_IF_ERROR(ValidateJson(json));
  JsonTokens tokens(json);
  Path path;
  Copy copy;
  const auto left_out = [&] {
    return std::any_of(pointers.begin(), pointers.end(),
                       [&](const JsonPointer& pointer) { return path.Is(pointer); });
  };
  size_t skipping = 0;  // how deep in an element that is left out
  while (tokens.Next()) {
    const JsonToken token = tokens.token();
    if (skipping > 0) {
      if (token.type == JsonToken::Type::kOpen) ++skipping;
      if (token.type == JsonToken::Type::kClose) --skipping;
      continue;
    }
    switch (token.type) {
      case JsonToken::Type::kName:
        path.Name(DecodeJsonString(token.raw));
        if (left_out()) {
          tokens.NextValue();
        } else {
          copy.Name(token.raw);
        }
        break;
      case JsonToken::Type::kOpen:
      case JsonToken::Type::kValue:
        path.Arrive();
        if (path.in_array() && left_out()) {
          copy.Put("null");
          if (token.type == JsonToken::Type::kOpen) skipping = 1;
        } else if (token.type == JsonToken::Type::kOpen) {
          copy.Open(token.kind);
          path.Open(token.kind);
        } else {
          copy.Put(token.raw);
        }
        break;
      case JsonToken::Type::kClose:
        path.Close();
        copy.Close(token.kind);
        break;
    }
  }
  return copy.Take();
}

}  // namespace onced

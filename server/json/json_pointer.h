// SPDX-License-Identifier: MIT
// JsonPointer: a place in a JSON text (RFC 6901), such as "/order/id", and what is done there: read
// a value, or leave values out.
//
// Threads: immutable; callable from any thread.
// Invariants: a pointer that parsed is valid; one that names nothing in a text is no error.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"
#include "server/json/json_reader.h"

namespace onced {

class JsonPointer {
 public:
  // InvalidArgument unless it is empty (the whole text) or begins with '/', with only ~0 and ~1 as
  // escapes.
  static Result<JsonPointer> Parse(std::string_view text);

  const std::string& text() const { return text_; }
  const std::vector<std::string>& steps() const { return steps_; }

 private:
  std::string text_;
  std::vector<std::string> steps_;  // decoded
};

struct JsonValue {
  JsonKind kind;
  std::string_view raw;  // points into the text
};

// The value at `pointer`; nullopt when there is none. InvalidArgument when `json` is not JSON, and
// when a name that leads there is given twice: readers differ in which of them they take.
Result<std::optional<JsonValue>> ValueAt(std::string_view json, const JsonPointer& pointer);

// The text without the members at `pointers`; an element of an array becomes null instead, so that
// the others keep their places.
Result<std::string> WithoutValues(std::string_view json, std::span<const JsonPointer> pointers);

}  // namespace onced

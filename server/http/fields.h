// SPDX-License-Identifier: MIT
// Fields: the fields of a JSON body, read by name. The first thing wrong is kept for Finish(), so
// that reading a body is a list of its fields and one check.
//
// Threads: use from one.
// Invariants: every message starts with the field's name; a field that nobody has asked for is an
// error, so a misspelt option is never silently ignored. Views point into the body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"
#include "server/json/json_reader.h"

namespace onced {

class Fields {
 public:
  // `text` must be an object.
  static Result<Fields> Parse(std::string_view text, const JsonRules& rules);

  // Required: an error when it is missing; then some value that must not be used.
  std::string Text(std::string_view name);
  std::optional<std::string> OptionalText(std::string_view name);
  std::optional<int64_t> OptionalInteger(std::string_view name);
  bool OptionalFlag(std::string_view name);
  // The exact bytes of the value, whatever it is.
  std::optional<std::string_view> OptionalRaw(std::string_view name);
  // A decimal number in a string, as fences are written.
  std::optional<uint64_t> OptionalFence(std::string_view name);
  // One of two words: true for the second.
  std::optional<bool> OptionalChoice(std::string_view name, std::string_view first,
                                     std::string_view second);

  void Fail(std::string message);
  Status Finish();

 private:
  explicit Fields(JsonObject object) : object_(std::move(object)) { known_.reserve(16); }
  const JsonMember* Take(std::string_view name);
  template <typename T>
  std::optional<T> Checked(Result<T> value);

  JsonObject object_;
  std::vector<std::string_view> known_;
  std::optional<std::string> wrong_;
};

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/http/fields.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/json/json_writer.h"

namespace onced {

Result<Fields> Fields::Parse(std::string_view text, const JsonRules& rules) {
  Result<JsonObject> object = JsonObject::Parse(text, rules);
  if (!object.ok()) return object.status();
  return Fields(std::move(*object));
}

const JsonMember* Fields::Take(std::string_view name) {
  known_.push_back(name);
  return object_.Find(name);
}

void Fields::Fail(std::string message) {
  if (!wrong_.has_value()) wrong_ = std::move(message);
}

template <typename T>
std::optional<T> Fields::Checked(Result<T> value) {
  if (value.ok()) return std::move(*value);
  Fail(value.status().message());
  return std::nullopt;
}

std::string Fields::Text(std::string_view name) {
  std::optional<std::string> text = OptionalText(name);
  if (!text.has_value()) Fail(std::string(name) + ": is required");
  return std::move(text).value_or("");
}

std::optional<std::string> Fields::OptionalText(std::string_view name) {
  const JsonMember* member = Take(name);
  return member == nullptr ? std::nullopt : Checked(member->AsString());
}

std::optional<int64_t> Fields::OptionalInteger(std::string_view name) {
  const JsonMember* member = Take(name);
  return member == nullptr ? std::nullopt : Checked(member->AsInt64());
}

bool Fields::OptionalFlag(std::string_view name) {
  const JsonMember* member = Take(name);
  return member != nullptr && Checked(member->AsBool()).value_or(false);
}

std::optional<std::string_view> Fields::OptionalRaw(std::string_view name) {
  const JsonMember* member = Take(name);
  return member == nullptr ? std::nullopt : std::optional(member->raw);
}

std::optional<uint64_t> Fields::OptionalFence(std::string_view name) {
  const std::optional<std::string> text = OptionalText(name);
  if (!text.has_value()) return std::nullopt;
  uint64_t fence = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), fence);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() || fence == 0) {
    Fail(std::string(name) + ": must be the decimal number, in a string, that the claim gave");
  }
  return fence;
}

std::optional<bool> Fields::OptionalChoice(std::string_view name, std::string_view first,
                                           std::string_view second) {
  const std::optional<std::string> text = OptionalText(name);
  if (!text.has_value()) return std::nullopt;
  if (*text != first && *text != second) {
    Fail(std::string(name) + ": must be \"" + std::string(first) + "\" or \"" +
         std::string(second) + "\"");
  }
  return *text == second;
}

Status Fields::Finish() {
  for (const JsonMember& member : object_.members()) {
    if (std::find(known_.begin(), known_.end(), member.name) == known_.end()) {
      Fail(PrintableName(member.name) + ": unknown field");
    }
  }
  return wrong_.has_value() ? Status::InvalidArgument(*wrong_) : Status::Ok();
}

}  // namespace onced

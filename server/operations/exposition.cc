// SPDX-License-Identifier: MIT
#include "server/operations/exposition.h"

#include <array>
#include <charconv>

namespace onced {
namespace {

std::string Text(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

// Of a label's value: what would end it.
void AppendEscaped(std::string_view value, std::string* out) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out->push_back('\\');
    if (c == '\n') {
      out->append("\\n");
    } else {
      out->push_back(c);
    }
  }
}

}  // namespace

Exposition& Exposition::Family(std::string_view name, std::string_view type,
                               std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  return *this;
}

void Exposition::Sample(std::string_view suffix, Labels labels, std::string_view bound,
                        std::string_view value) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [label, text] : labels) {
    text_.append(1, before).append(label).append("=\"");
    AppendEscaped(text, &text_);
    text_ += '"';
    before = ',';
  }
  if (!bound.empty()) text_.append(1, before).append("le=\"").append(bound).append("\"");
  if (before == ',' || !bound.empty()) text_ += '}';
  text_.append(" ").append(value).append("\n");
}

Exposition& Exposition::Value(uint64_t value, Labels labels) {
  Sample("", labels, "", std::to_string(value));
  return *this;
}

Exposition& Exposition::Seconds(double value, Labels labels) {
  Sample("", labels, "", Text(value));
  return *this;
}

Exposition& Exposition::Of(const DurationCounts& durations, Labels labels) {
  uint64_t below = 0;
  for (size_t i = 0; i < kDurationBoundsUs.size(); ++i) {
    below += durations.counts[i];
    Sample("_bucket", labels, Text(static_cast<double>(kDurationBoundsUs[i]) / 1e6),
           std::to_string(below));
  }
  const std::string all = std::to_string(durations.Count());
  Sample("_bucket", labels, "+Inf", all);
  Sample("_sum", labels, "", Text(static_cast<double>(durations.sum_us) / 1e6));
  Sample("_count", labels, "", all);
  return *this;
}

}  // namespace onced

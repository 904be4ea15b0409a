// SPDX-License-Identifier: MIT
// Exposition: numbers as Prometheus reads them (text format 0.0.4).
//
// Threads: use from one.
// Invariants: each family once, with what it is; values are written in full.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "engine/durations.h"

namespace onced {

class Exposition {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Of the samples that follow. `name` is a literal, and without "onced_" when it is a standard
  // one: it is written as it is.
  Exposition& Counter(std::string_view name, std::string_view help) {
    return Family(name, "counter", help);
  }
  Exposition& Gauge(std::string_view name, std::string_view help) {
    return Family(name, "gauge", help);
  }
  Exposition& Histogram(std::string_view name, std::string_view help) {
    return Family(name, "histogram", help);
  }
  Exposition& Value(uint64_t value, Labels labels = {});
  Exposition& Seconds(double value, Labels labels = {});
  Exposition& Of(const DurationCounts& durations, Labels labels = {});

  std::string Take() { return std::move(text_); }

 private:
  Exposition& Family(std::string_view name, std::string_view type, std::string_view help);
  void Sample(std::string_view suffix, Labels labels, std::string_view bound,
              std::string_view value);

  std::string text_;
  std::string name_;
};

}  // namespace onced

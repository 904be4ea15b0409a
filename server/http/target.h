// SPDX-License-Identifier: MIT
// Target: the path and query of a request, decoded once and in the right order: split first, then
// each part by itself. So "a%2Fresult" is a key with a slash in it and never a path of two parts,
// and '+' stays '+'.
//
// Threads: values.
// Invariants: a part that does not decode, or decodes to a control byte, is refused, not repaired.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace onced {

class Target {
 public:
  // InvalidArgument for a malformed escape, or a query parameter given twice.
  static Result<Target> Parse(std::string_view raw);

  const std::vector<std::string>& path() const { return path_; }
  // Whether the path is that of `pattern`, where "*" stands for any one part.
  bool Is(std::string_view pattern) const;

 private:
  friend class Query;
  std::vector<std::string> path_;
  std::vector<std::pair<std::string, std::string>> query_;
};

// Reads a query's parameters by name; the first thing wrong is kept for Finish().
class Query {
 public:
  explicit Query(const Target& target) : target_(target) {}
  explicit Query(Target&&) = delete;  // it must outlive this

  std::optional<std::string> Text(std::string_view name);
  std::optional<int64_t> Integer(std::string_view name, int64_t least, int64_t most);
  bool Flag(std::string_view name);  // true: given as "true", "1" or bare
  // InvalidArgument that names the first bad parameter, or one that nobody has asked for.
  Status Finish();

 private:
  void Fail(std::string message);

  const Target& target_;
  std::vector<std::string> known_;
  std::optional<std::string> wrong_;
};

}  // namespace onced

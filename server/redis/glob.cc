// SPDX-License-Identifier: MIT
#include "server/redis/glob.h"

#include <utility>

#include "server/redis/argument.h"

namespace onced::redis {
namespace {

// Takes a class off `pattern`, from behind its bracket; whether `c` is in it.
bool TakeClass(std::string_view* pattern, char c, bool ignore_case) {
  const auto folded = [ignore_case](char one) { return ignore_case ? LowerOf(one) : one; };
  const bool negated = pattern->starts_with('^');
  if (negated) pattern->remove_prefix(1);
  bool matches = false;
  for (;; pattern->remove_prefix(1)) {
    if (pattern->empty()) break;  // it was never closed: what came so far counts
    if (pattern->front() == '\\' && pattern->size() >= 2) {
      pattern->remove_prefix(1);
      matches |= pattern->front() == c;
    } else if (pattern->front() == ']') {
      pattern->remove_prefix(1);
      break;
    } else if (pattern->size() >= 3 && (*pattern)[1] == '-') {
      char low = folded(pattern->front());
      char high = folded((*pattern)[2]);
      if (static_cast<unsigned char>(low) > static_cast<unsigned char>(high)) std::swap(low, high);
      const char one = folded(c);
      matches |= static_cast<unsigned char>(one) >= static_cast<unsigned char>(low) &&
                 static_cast<unsigned char>(one) <= static_cast<unsigned char>(high);
      pattern->remove_prefix(2);
    } else {
      matches |= folded(pattern->front()) == folded(c);
    }
  }
  return matches != negated;
}

// Takes what stands for one character off `pattern`, which is not empty; whether that may be `c`.
bool TakeOne(std::string_view* pattern, char c, bool ignore_case) {
  char wanted = pattern->front();
  pattern->remove_prefix(1);
  if (wanted == '?') return true;
  if (wanted == '[') return TakeClass(pattern, c, ignore_case);
  if (wanted == '\\' && !pattern->empty()) {
    wanted = pattern->front();
    pattern->remove_prefix(1);
  }
  return ignore_case ? LowerOf(wanted) == LowerOf(c) : wanted == c;
}

}  // namespace

// Where it does not fit, the last star takes one character more. The stars before it never have to:
// whatever they would leave to it, it can take itself. So nothing calls itself, and no pattern, be
// it a million stars, needs more of the stack than another.
bool GlobMatches(std::string_view pattern, std::string_view text, bool ignore_case) {
  bool has_star = false;
  std::string_view behind_star;  // of the pattern
  std::string_view left_to_it;   // of the text
  while (!text.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      has_star = true;
      behind_star = pattern;
      left_to_it = text;
    } else if (!pattern.empty() && TakeOne(&pattern, text.front(), ignore_case)) {
      text.remove_prefix(1);
    } else {
      if (!has_star) return false;
      left_to_it.remove_prefix(1);
      text = left_to_it;
      pattern = behind_star;
    }
  }
  while (pattern.starts_with('*')) pattern.remove_prefix(1);
  return pattern.empty();
}

}  // namespace onced::redis

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

class Matcher {
 public:
  explicit Matcher(bool ignore_case) : ignore_case_(ignore_case) {}

  bool Match(std::string_view pattern, std::string_view text) {
    while (!pattern.empty() && !text.empty()) {
      const char p = pattern.front();
      if (p == '*') return MatchStar(pattern, text);
      pattern.remove_prefix(1);
      if (p == '[') {
        if (!TakeClass(&pattern, text.front(), ignore_case_)) return false;
      } else if (p != '?') {
        char wanted = p;
        if (p == '\\' && !pattern.empty()) {
          wanted = pattern.front();
          pattern.remove_prefix(1);
        }
        const char c = text.front();
        if (ignore_case_ ? LowerOf(wanted) != LowerOf(c) : wanted != c) return false;
      }
      text.remove_prefix(1);
    }
    if (text.empty()) {
      while (pattern.starts_with('*')) pattern.remove_prefix(1);
    }
    return pattern.empty() && text.empty();
  }

 private:
  bool MatchStar(std::string_view pattern, std::string_view text) {
    while (pattern.starts_with("**")) pattern.remove_prefix(1);
    if (pattern.size() == 1) return true;
    pattern.remove_prefix(1);
    for (; !text.empty(); text.remove_prefix(1)) {
      if (Match(pattern, text)) return true;
      // The rest fitted nowhere behind a later star: it will not fit behind this one.
      if (hopeless_) return false;
    }
    hopeless_ = true;
    return false;
  }

  const bool ignore_case_;
  bool hopeless_ = false;
};

}  // namespace

bool GlobMatches(std::string_view pattern, std::string_view text, bool ignore_case) {
  return Matcher(ignore_case).Match(pattern, text);
}

}  // namespace onced::redis

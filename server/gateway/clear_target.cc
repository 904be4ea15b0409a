// SPDX-License-Identifier: MIT
#include "server/gateway/clear_target.h"

#include <algorithm>

namespace onced {
namespace {

// Whatever the case of `text`.
bool BeginsWith(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
         });
}

// Whether a segment means "here" or "one up", however its dots are written.
bool IsDots(std::string_view segment) {
  size_t dots = 0;
  while (!segment.empty()) {
    const size_t dot = segment.front() == '.' ? 1 : BeginsWith(segment, "%2e") ? 3 : 0;
    if (dot == 0) return false;
    segment.remove_prefix(dot);
    ++dots;
  }
  return dots == 1 || dots == 2;
}

// What an upstream might read as another path than the route did.
const char* AmbiguityIn(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    const std::string_view rest = path.substr(i);
    if (path[i] == '\\' || BeginsWith(rest, "%5c")) return "target: a backslash is not passed on";
    if (BeginsWith(rest, "%2f")) return "target: an encoded slash is not passed on";
    if (path[i] == '/') {
      const std::string_view segment = rest.substr(1, rest.substr(1).find('/'));
      if (IsDots(segment)) return "target: segments of dots are not passed on";
    }
  }
  return nullptr;
}

bool HasNul(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (BeginsWith(path.substr(i), "%00")) return true;
  }
  return false;
}

}  // namespace

const char* FaultOfTarget(std::string_view target, bool raw) {
  if (!target.starts_with('/')) return "target: must begin with a slash";
  if (HasNul(target) || target.find('#') != std::string_view::npos) {
    return "target: has a byte that none may have";
  }
  return raw ? nullptr : AmbiguityIn(target.substr(0, target.find('?')));
}

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/config/secret_words.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace onced {
namespace {

using Range = std::pair<size_t, size_t>;  // begin and end

// Of the word that begins at `begin`: what stands between the user's name and the last @, and the
// values of parameters that are called a password.
void AddSecretsOf(std::string_view text, size_t begin, size_t end, std::vector<Range>* ranges) {
  const std::string_view word = text.substr(0, end);
  const size_t at = word.rfind('@');
  size_t from = begin;
  if (at != std::string_view::npos && at >= begin) {
    const size_t colon = word.find(':', begin);
    if (colon < at) ranges->emplace_back(colon + 1, at);
    from = at;
  }
  constexpr std::string_view kParameter = "password=";
  for (size_t found = word.find(kParameter, from); found != std::string_view::npos;
       found = word.find(kParameter, found + 1)) {
    const size_t value = found + kParameter.size();
    ranges->emplace_back(value, std::min(word.find('&', value), end));
  }
}

std::vector<Range> SecretsIn(std::string_view text) {
  constexpr std::string_view kBegins = "://";
  std::vector<Range> ranges;
  size_t end = 0;
  for (size_t found = text.find(kBegins); found != std::string_view::npos;
       found = text.find(kBegins, end)) {
    const size_t begin = found + kBegins.size();
    end = std::min(text.find_first_of(" \t\r\n\"'", begin), text.size());
    AddSecretsOf(text, begin, end, &ranges);
  }
  return ranges;
}

}  // namespace

std::string WithoutSecrets(std::string_view text) {
  std::string shown;
  size_t from = 0;
  for (const auto& [begin, end] : SecretsIn(text)) {
    shown.append(text.substr(from, begin - from)).append("***");
    from = end;
  }
  return shown.append(text.substr(from));
}

void HideSecrets(char* text) {
  for (const auto& [begin, end] : SecretsIn(text)) std::fill(text + begin, text + end, '*');
}

}  // namespace onced

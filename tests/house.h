// SPDX-License-Identifier: MIT
// What a rule of the house is made of: the source tree as a map, rules as functions over it, and
// the three things a test does with a rule: Catches, Allows, HoldsInTheHouse.
//
// Threads: one; the tree is read once, at first use.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#ifndef ONCED_SOURCE_DIR
#error "ONCED_SOURCE_DIR must name the root of the source tree"
#endif

namespace onced {

using Tree = std::map<std::string, std::string>;  // path from the root -> text
using Offences = std::vector<std::string>;
using Rule = std::function<Offences(const Tree&)>;

// Every file of the project; a binary file has no text. What a build or a run leaves behind, and
// the hidden folders of tools, are not the project.
inline Tree ReadTree(const std::filesystem::path& root) {
  Tree tree;
  for (auto it = std::filesystem::recursive_directory_iterator(root);
       it != std::filesystem::recursive_directory_iterator(); ++it) {
    const std::string name = it->path().filename().string();
    const bool hidden = name.starts_with(".") && name != ".ci";
    if (it.depth() == 0 && (hidden || name == "build" || name == "onced-data")) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file()) continue;
    std::ifstream file(it->path(), std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (text.find('\0') != std::string::npos) text.clear();
    tree[it->path().lexically_relative(root).generic_string()] = std::move(text);
  }
  return tree;
}

inline const Tree& House() {
  static const Tree tree = ReadTree(ONCED_SOURCE_DIR);
  return tree;
}

inline void Catches(const Rule& rule, const Tree& offender) {
  EXPECT_FALSE(rule(offender).empty()) << "not caught: " << offender.begin()->second;
}

inline void Allows(const Rule& rule, const Tree& innocent) {
  for (const std::string& offence : rule(innocent)) ADD_FAILURE() << "false alarm: " << offence;
}

inline void HoldsInTheHouse(const Rule& rule) {
  for (const std::string& offence : rule(House())) ADD_FAILURE() << offence;
}

inline bool Matches(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern));
}

inline bool Below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder);
}
inline bool IsHeader(const std::string& path) { return path.ends_with(".h"); }
inline bool IsSource(const std::string& path) { return path.ends_with(".cc"); }

inline std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The line without its // comment. (The // of a URL is no comment.)
inline std::string Code(const std::string& line) {
  for (size_t at = line.find("//"); at != std::string::npos; at = line.find("//", at + 1)) {
    if (at == 0 || line[at - 1] != ':') return line.substr(0, at);
  }
  return line;
}

inline std::string At(const std::string& path, size_t line_index) {
  return path + ":" + std::to_string(line_index + 1) + ": ";
}

// A rule over every #include of every .h and .cc.
using IncludeBan = std::function<bool(const std::string& path, const std::string& included)>;
inline Rule NoInclude(const IncludeBan& banned, const std::string& instead) {
  return [=](const Tree& tree) {
    static const std::regex include_line("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
    Offences offences;
    for (const auto& [path, text] : tree) {
      if (!IsHeader(path) && !IsSource(path)) continue;
      const std::vector<std::string> lines = Lines(text);
      for (size_t i = 0; i < lines.size(); ++i) {
        std::smatch match;
        if (!std::regex_search(lines[i], match, include_line) || !banned(path, match[1])) continue;
        offences.push_back(At(path, i) + "includes " + match[1].str() + ": " + instead);
      }
    }
    return offences;
  };
}

// A rule over every line of code, comments taken off, of the .h and .cc that `judged` picks.
using PathTest = std::function<bool(const std::string& path)>;
inline Rule NoCode(const PathTest& judged, const std::string& pattern, const std::string& instead) {
  return [=](const Tree& tree) {
    const std::regex expression(pattern);
    Offences offences;
    for (const auto& [path, text] : tree) {
      if ((!IsHeader(path) && !IsSource(path)) || !judged(path)) continue;
      const std::vector<std::string> lines = Lines(text);
      for (size_t i = 0; i < lines.size(); ++i) {
        const std::string code = Code(lines[i]);
        std::smatch match;
        if (!std::regex_search(code, match, expression)) continue;
        offences.push_back(At(path, i) + match.str() + ": " + instead);
      }
    }
    return offences;
  };
}

// A rule over the whole text of every file, whatever its kind. Case does not matter when `icase`.
inline Rule NoText(const std::string& pattern, bool icase, const std::string& instead) {
  return [=](const Tree& tree) {
    const auto flags = std::regex::ECMAScript;
    const std::regex expression(pattern, icase ? flags | std::regex::icase : flags);
    Offences offences;
    for (const auto& [path, text] : tree) {
      for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
        const auto line = std::count(text.begin(), text.begin() + it->position(), '\n');
        offences.push_back(At(path, static_cast<size_t>(line)) + it->str() + ": " + instead);
      }
    }
    return offences;
  };
}

// The first line of a planted file.
inline std::string Include(const std::string& path) { return "#include <" + path + ">\n"; }

}  // namespace onced

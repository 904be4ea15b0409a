// SPDX-License-Identifier: MIT
// OptionDocument: what a table of options looks like to people: a configuration file to begin with,
// the values as they are, and the page that says who needs which.
//
// Threads: pure functions of their arguments.
#pragma once

#include <string>
#include <vector>

#include "server/config/option.h"

namespace onced {

// A configuration file with every setting as a comment, each with its default.
std::string ExampleFile(const OptionTable& table);

// Every value and where it comes from: as a configuration file that means the same, or, for
// scripts, as JSON: {"schema":1,"options":[{"name":…,"value":…,"source":…},…]}.
// The routes, which are no options, are told after them: where they are read is the file itself.
// What no file could have, bytes that are no UTF-8, is shown with U+FFFD in their place.
struct ShownRoute {
  std::string name, prefix, upstream;
};
std::string ShownAsFile(const OptionTable& table, const std::vector<ShownRoute>& routes = {});
std::string ShownAsJson(const OptionTable& table, const std::vector<ShownRoute>& routes = {});

// OPTIONS.md.
std::string OptionDocument(const OptionTable& table);

}  // namespace onced

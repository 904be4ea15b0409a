// SPDX-License-Identifier: MIT
// OptionSources: where options are written besides the command line: the configuration file and the
// environment.
//
// Threads: use from one.
#pragma once

#include <string>
#include <vector>

#include "server/config/option.h"
#include "server/config/setting.h"

namespace onced {

// Sets what `file`, which reads `whole`, says of the rows of the table. What is wrong goes to the
// faults that it was made with. A relative path begins at `folder`, the file's own.
void ReadOptions(const Setting& whole, const std::string& folder, Settings* file,
                 OptionTable* table);

// Sets what ONCED_... says. What is wrong names the variable. `environment` is as environ(7) has
// it, "NAME=value". An empty value is none.
Status ReadOptions(const std::vector<std::string>& environment, OptionTable* table);

// "" when it is not there, or empty; of several the last.
std::string ValueOf(const std::vector<std::string>& environment, const std::string& variable);

// Of the ONCED_ names in the environment that are no option's: one line each, for a warning.
std::vector<std::string> StrangeVariables(const std::vector<std::string>& environment,
                                          const OptionTable& table);

// This process's.
std::vector<std::string> Environment();

}  // namespace onced

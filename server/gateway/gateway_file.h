// SPDX-License-Identifier: MIT
// GatewayFile: the [gateway] section of the configuration file: where the gateway listens, whom it
// takes a request to come from, its upstreams and its routes. Described in GATEWAY.md beside this
// file.
//
// Threads: pure, but for the files that the section names.
// Invariants: every error names file, line, column and setting.
#pragma once

#include <string>
#include <string_view>

#include "engine/status.h"
#include "server/config/setting.h"
#include "server/gateway/route.h"

namespace onced {

// "token", "certificate", "header:NAME" or "none"; InvalidArgument that names no setting.
Status ReadPrincipal(std::string_view text, GatewayOptions* gateway);

// The one-line case: everything goes to `url`; InvalidArgument that names no setting.
Result<Route> OnlyRoute(std::string_view url, Route unless_said);

// Sets what the section says and leaves the rest; a route begins as `unless_said`. `file` is where
// it stands: relative paths begin at its folder. What is wrong goes to `faults`.
void ReadGatewaySection(const Setting& section, const std::string& file, const Route& unless_said,
                        Faults* faults, GatewayOptions* gateway);

}  // namespace onced

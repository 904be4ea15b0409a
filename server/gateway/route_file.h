// SPDX-License-Identifier: MIT
// RouteFile: one [[gateway.route]] of the configuration file, read into a Route. Every setting of
// it is described in GATEWAY.md beside this file.
//
// Threads: use from one. Reads the file of the route's secret.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "server/config/setting.h"
#include "server/gateway/route.h"

namespace onced {

// What the routes of a file share.
struct RouteSurroundings {
  struct Upstream {
    std::shared_ptr<const Origin> origin;
    std::shared_ptr<Breaker> breaker;
  };
  std::map<std::string, Upstream> upstreams;  // by name
  std::string folder;                         // that a relative path begins at
  Route unless_said;
};

// A name as routes and upstreams have them, or what is wrong with it.
std::string JudgeName(const std::string& name);

// The path of a file that is named in the configuration.
std::string PathFrom(const std::string& folder, const std::string& path);

// What is wrong goes to `faults`.
Route ReadRoute(const Setting& table, const RouteSurroundings& around, Faults* faults);

}  // namespace onced

// SPDX-License-Identifier: MIT
#include "server/gateway/route.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "engine/check.h"

namespace onced {
namespace {

// Answers that come before the work: who asks, too often, too early, while it is going on already.
constexpr std::array<int, 7> kBeforeTheWork = {401, 403, 407, 408, 409, 425, 429};
// Stripe's own list of what its layer does not keep; the rest of 4xx it does.
constexpr std::array<int, 3> kBeforeStripesWork = {401, 409, 429};

template <typename Statuses>
bool Holds(const Statuses& statuses, int status) {
  return std::find(statuses.begin(), statuses.end(), status) != statuses.end();
}

// 502 and 504 are a proxy's words for an answer that it did not get; 508 is one's for a request
// that went in a circle, and so reached nobody.
Keep KeepOfServerError(int status) {
  if (status == 503 || status == 508) return Keep::kRelease;
  return status == 502 || status == 504 ? Keep::kUnknown : Keep::kStore;
}

Keep KeepByProfile(Profile profile, int status) {
  switch (profile) {
    case Profile::kProxySafe:
      return Holds(kBeforeTheWork, status) ? Keep::kRelease : KeepOfServerError(status);
    case Profile::kIetf:
      return Holds(kBeforeTheWork, status) || status >= 500 ? Keep::kRelease : Keep::kStore;
    case Profile::kStripeV1:
      return Holds(kBeforeStripesWork, status) ? Keep::kRelease : KeepOfServerError(status);
  }
  ONCED_CHECK(false);
}

bool BeginsWith(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

}  // namespace

Keep KeepOf(const Route& route, int status) {
  if (status < 200 || status > 599) status = 500;
  auto said = route.statuses.find(status);
  if (said == route.statuses.end()) said = route.statuses.find(status / 100);
  return said != route.statuses.end() ? said->second : KeepByProfile(route.profile, status);
}

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
  std::set<std::string_view> names, prefixes;
  for (const Route& route : routes_) {
    ONCED_CHECK(names.insert(route.name).second && prefixes.insert(route.prefix).second);
  }
  std::stable_sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) {
    return a.prefix.size() > b.prefix.size();
  });
}

const Route* RouteTable::Find(std::string_view target) const {
  const std::string_view path = target.substr(0, target.find('?'));
  for (const Route& route : routes_) {
    if (BeginsWith(path, route.prefix)) return &route;
  }
  return nullptr;
}

}  // namespace onced

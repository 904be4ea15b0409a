// SPDX-License-Identifier: MIT
#include "server/redis/heaviest.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace onced::redis {

std::vector<std::shared_ptr<RedisConnection>> HeaviestOf(
    const std::unordered_map<uint64_t, std::shared_ptr<RedisConnection>>& connections,
    size_t excess) {
  struct Tenant {
    size_t weight = 0;
    std::vector<std::shared_ptr<RedisConnection>> lightest_first;
  };
  std::map<std::string, Tenant> tenants;  // "": who has not said who he is
  for (const auto& [id, connection] : connections) {
    Tenant& tenant = tenants[connection->session().tenant];
    tenant.weight += connection->weight();
    tenant.lightest_first.push_back(connection);
  }
  for (auto& [name, tenant] : tenants) {
    std::sort(tenant.lightest_first.begin(), tenant.lightest_first.end(),
              [](const auto& a, const auto& b) { return a->weight() < b->weight(); });
  }
  const auto lighter = [](const auto& a, const auto& b) {
    return a.second.weight < b.second.weight;
  };
  std::vector<std::shared_ptr<RedisConnection>> heaviest;
  for (size_t found = 0; found < excess && !tenants.empty();) {
    Tenant& tenant = std::max_element(tenants.begin(), tenants.end(), lighter)->second;
    if (tenant.lightest_first.empty()) break;  // nothing weighs anything any more
    heaviest.push_back(std::move(tenant.lightest_first.back()));
    tenant.lightest_first.pop_back();
    tenant.weight -= heaviest.back()->weight();
    found += heaviest.back()->weight();
  }
  return heaviest;
}

}  // namespace onced::redis

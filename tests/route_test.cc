// SPDX-License-Identifier: MIT
// Routes: which of them a request belongs to, and what each profile makes of each status.
#include "server/gateway/route.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace onced {
namespace {

struct Kept {
  Profile profile;
  std::set<int> released;
  std::set<int> unknown;  // all else is stored
};

std::set<int> WithEvery5xx(std::set<int> statuses) {
  for (int status = 500; status <= 599; ++status) statuses.insert(status);
  return statuses;
}

TEST(KeepOf, FollowsTheTableOfEachProfileForEveryStatus) {
  const Kept table[] = {
      {Profile::kProxySafe, {401, 403, 407, 408, 409, 425, 429, 503, 508}, {502, 504}},
      {Profile::kIetf, WithEvery5xx({401, 403, 407, 408, 409, 425, 429}), {}},
      {Profile::kStripeV1, {401, 409, 429, 503, 508}, {502, 504}},
  };
  for (const Kept& row : table) {
    Route route;
    route.profile = row.profile;
    for (int status = 200; status <= 599; ++status) {
      const Keep expected = row.released.contains(status)  ? Keep::kRelease
                            : row.unknown.contains(status) ? Keep::kUnknown
                                                           : Keep::kStore;
      EXPECT_EQ(KeepOf(route, status), expected)
          << "profile " << static_cast<int>(row.profile) << " status " << status;
    }
  }
}

TEST(KeepOf, IsProxySafeUnlessSaid) { EXPECT_EQ(Route().profile, Profile::kProxySafe); }

TEST(KeepOf, HearsTheRouteFirstTheStatusBeforeItsClass) {
  for (const Profile profile : {Profile::kProxySafe, Profile::kIetf, Profile::kStripeV1}) {
    Route route;
    route.profile = profile;
    route.statuses = {{4, Keep::kRelease}, {404, Keep::kStore}, {500, Keep::kUnknown}};
    EXPECT_EQ(KeepOf(route, 400), Keep::kRelease);
    EXPECT_EQ(KeepOf(route, 499), Keep::kRelease);
    EXPECT_EQ(KeepOf(route, 404), Keep::kStore);
    EXPECT_EQ(KeepOf(route, 500), Keep::kUnknown);
    EXPECT_EQ(KeepOf(route, 503), Keep::kRelease) << "the profile still speaks of the rest";
    EXPECT_EQ(KeepOf(route, 200), Keep::kStore);
    route.statuses = {{5, Keep::kStore}};
    EXPECT_EQ(KeepOf(route, 502), Keep::kStore);
    EXPECT_EQ(KeepOf(route, 429), Keep::kRelease);
  }
}

TEST(KeepOf, TakesAStatusThatIsNoneFor500) {
  Route route;
  route.statuses = {{500, Keep::kUnknown}, {2, Keep::kRelease}};
  for (const int none : {-1, 0, 2, 5, 99, 101, 199, 600, 999}) {
    EXPECT_EQ(KeepOf(route, none), Keep::kUnknown) << none;
  }
}

RouteTable TableOf(const std::vector<std::string>& prefixes) {
  std::vector<Route> routes;
  for (const std::string& prefix : prefixes) {
    Route route;
    route.name = "r" + std::to_string(routes.size());
    route.prefix = prefix;
    routes.push_back(std::move(route));
  }
  return RouteTable(std::move(routes));
}

std::string PrefixFor(const RouteTable& table, const std::string& target) {
  const Route* found = table.Find(target);
  return found == nullptr ? "none" : found->prefix;
}

TEST(RouteTable, FindsByWholeSegments) {
  const RouteTable table = TableOf({"/pay"});
  for (const char* inside : {"/pay", "/pay/", "/pay/x", "/pay/x/y?z", "/pay?x", "/pay?x=/a/b",
                             "/pay?", "/pay//", "/pay/%2e"}) {
    EXPECT_EQ(PrefixFor(table, inside), "/pay") << inside;
  }
  for (const char* outside : {"/payments", "/pa", "/", "", "pay", "/Pay", "/%70ay", "/pay%2fx",
                              "/pay;x", "//pay", "/x/pay", "/x?/pay", "*", "/pay%3fx"}) {
    EXPECT_EQ(PrefixFor(table, outside), "none") << outside;
  }
}

TEST(RouteTable, PrefersTheLongestPrefixInWhateverOrderTheyCame) {
  for (const std::vector<std::string>& order :
       std::vector<std::vector<std::string>>{{"/", "/v1", "/v1/pay", "/v1/pay/refunds", "/v2"},
                                             {"/v2", "/v1/pay/refunds", "/v1/pay", "/v1", "/"},
                                             {"/v1/pay", "/", "/v1/pay/refunds", "/v2", "/v1"}}) {
    const RouteTable table = TableOf(order);
    EXPECT_EQ(PrefixFor(table, "/v1/pay/refunds/9"), "/v1/pay/refunds");
    EXPECT_EQ(PrefixFor(table, "/v1/pay/refund"), "/v1/pay");
    EXPECT_EQ(PrefixFor(table, "/v1/payments?x=/v1/pay"), "/v1");
    EXPECT_EQ(PrefixFor(table, "/v2"), "/v2");
    EXPECT_EQ(PrefixFor(table, "/v3/pay"), "/");
    EXPECT_EQ(PrefixFor(table, "/"), "/");
    EXPECT_EQ(PrefixFor(table, "*"), "none") << "OPTIONS of the whole server is on no route";
    EXPECT_EQ(table.routes().size(), 5u);
  }
}

TEST(RouteTable, MayBeEmpty) { EXPECT_EQ(PrefixFor(RouteTable({}), "/"), "none"); }

}  // namespace
}  // namespace onced

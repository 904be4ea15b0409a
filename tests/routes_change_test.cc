// SPDX-License-Identifier: MIT
// The routes change between the head of a request, by which it is decided how its body is read, and
// its first ask: what was decided then still counts.
#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/gateway/breaker.h"
#include "server/gateway/gateway.h"
#include "server/gateway/keyed_ask.h"
#include "server/gateway/origin.h"
#include "server/gateway/pass.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

Route ARoute(std::vector<std::string> methods, bool key_required = false) {
  Route route;
  route.methods = std::move(methods);
  route.key_required = key_required;
  // Nobody is there: what counts is what it would be asked.
  route.origin = std::make_shared<const Origin>(Value(Origin::Parse("http://127.0.0.1:1")));
  route.breaker = std::make_shared<Breaker>();
  return route;
}

struct ChangingGateway {
  explicit ChangingGateway(const Route& route) {
    gateway = Value(Gateway::Start(
        {.routes = {route}}, {.ledger = &ledger, .report = [](LogEvent, const std::string&) {}}));
  }
  ~ChangingGateway() { (void)gateway->Stop(std::chrono::seconds(10)); }

  LedgerInAFolder here;
  Ledger ledger{here.store.get(), {.wait_at_gate = false}};
  std::unique_ptr<Gateway> gateway;
  const std::shared_ptr<const wire::Peer> peer =
      std::make_shared<const wire::Peer>(wire::Peer{.address = "127.0.0.1"});
};

wire::Request APost(int64_t body_length, bool with_key = true) {
  wire::Request request{.method = "POST", .target = "/pay", .body_length = body_length};
  if (with_key) request.headers = {{"Idempotency-Key", "\"k\""}};
  return request;
}

TEST(RoutesChange, WhatStreamsIsNotRunByItsKey) {
  ChangingGateway it(ARoute({"PUT"}));
  const wire::Request request = APost(9);
  ASSERT_TRUE(it.gateway->Streams(request, *it.peer));
  it.gateway->Reload({ARoute({"POST"})});
  auto pipe = std::make_shared<wire::Pipe>(1'024);
  wire::Exchange exchange(
      request, it.peer, [] {}, pipe);
  httplib::Response response;
  it.gateway->Handle(response, exchange);
  EXPECT_NE(dynamic_cast<Pass*>(exchange.kept.get()), nullptr) << response.body;
  // Had they changed twice, nobody could say: then it is not begun at all.
  it.gateway->Reload({ARoute({"POST"})});
  wire::Exchange late(
      request, it.peer, [] {}, pipe);
  it.gateway->Handle(response, late);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(late.kept, nullptr);
  pipe->Abandon();
}

TEST(RoutesChange, WhatWasRefusedWithoutItsBodyIsNotRunWithoutIt) {
  ChangingGateway it(ARoute({"POST"}, /*key_required=*/true));
  for (const int64_t length : {9, -1}) {
    it.gateway->Reload({ARoute({"POST"}, /*key_required=*/true)});
    const wire::Request request = APost(length, /*with_key=*/false);
    ASSERT_FALSE(it.gateway->Admits(request, *it.peer));
    it.gateway->Reload({ARoute({"POST"})});
    wire::Exchange exchange(request, it.peer, [] {});
    httplib::Response response;
    it.gateway->Handle(response, exchange);
    EXPECT_EQ(response.status, 400) << length;
    EXPECT_EQ(exchange.kept, nullptr) << length;
  }
}

TEST(RoutesChange, ABodyThatWasReadIsRunByWhatIsSoNow) {
  ChangingGateway it(ARoute({"PUT"}));
  it.gateway->Reload({ARoute({"POST"})});
  wire::Request request = APost(2);
  request.body = "{}";
  wire::Exchange exchange(request, it.peer, [] {});
  httplib::Response response;
  it.gateway->Handle(response, exchange);
  EXPECT_NE(dynamic_cast<KeyedAsk*>(exchange.kept.get()), nullptr) << response.body;
}

}  // namespace
}  // namespace onced

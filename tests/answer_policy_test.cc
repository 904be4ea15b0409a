// SPDX-License-Identifier: MIT
// What a service may say of its own answer; and what is a request's fingerprint.
#include "server/gateway/answer_policy.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/gateway/fingerprint.h"

namespace onced {
namespace {

AnswerPolicy Of(const std::string& value) { return PolicyIn({{"onced-policy", value}}); }

TEST(AnswerPolicy, IsReadWithAndWithoutATime) {
  EXPECT_EQ(Keep::kStore, Of("store").keep);
  EXPECT_EQ(Keep::kRelease, Of("release").keep);
  EXPECT_EQ(Keep::kUnknown, Of(" unknown ").keep);
  EXPECT_FALSE(Of("no-store-body").store_body);
  EXPECT_TRUE(Of("no-store-body").store_head);
  EXPECT_FALSE(Of("no-store").store_head);
  EXPECT_EQ(std::chrono::hours(1), Of("store; ttl=3600").retention);
  EXPECT_EQ(std::chrono::seconds(1), Of("store;ttl=0").retention);
  EXPECT_EQ(std::chrono::milliseconds(kRetentionMaxMs), Of("store;ttl=99999999999").retention);
}

TEST(AnswerPolicy, IsAsNoneWhenItIsNotUnderstood) {
  for (const char* value : {"", "keep", "store, release", "store; ttl", "store; ttl=x",
                            "store; max-age=3", "STORE", "store; ttl=-"}) {
    const AnswerPolicy policy = Of(value);
    EXPECT_FALSE(policy.keep.has_value()) << value;
    EXPECT_FALSE(policy.retention.has_value()) << value;
    EXPECT_TRUE(policy.store_body && policy.store_head) << value;
  }
  EXPECT_FALSE(PolicyIn({}).keep.has_value());
}

wire::Request Request(std::string method, std::string target, std::string type, std::string body) {
  wire::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers = {{"Content-Type", std::move(type)}, {"X-Amount", "5"}};
  request.body = std::move(body);
  return request;
}

TEST(Fingerprint, ChangesWithEachOfItsPartsAndNeverRunsTwoTogether) {
  const std::set<std::string> all = {
      FingerprintOf(Request("POST", "/a", "t", "b"), {}),
      FingerprintOf(Request("PATCH", "/a", "t", "b"), {}),
      FingerprintOf(Request("POST", "/a?", "t", "b"), {}),
      FingerprintOf(Request("POST", "/a", "t2", "b"), {}),
      FingerprintOf(Request("POST", "/a", "t", "b2"), {}),
      FingerprintOf(Request("POST", "/at", "", "b"), {}),
      FingerprintOf(Request("POST", "/a", "tb", ""), {}),
      FingerprintOf(Request("POST", "/a", "t", "b"), {.headers = {"X-Amount"}}),
      FingerprintOf(Request("POST", "/a", "t", "b"), {.body = false})};
  EXPECT_EQ(9u, all.size());
  for (const std::string& one : all) EXPECT_EQ(64u, one.size());
}

TEST(Fingerprint, LeavesOutWhatTheRouteExcludes) {
  const FingerprintRules rules{
      .body_excludes = {*JsonPointer::Parse("/sent_at"), *JsonPointer::Parse("/meta/trace")}};
  const auto of = [&](const char* body) {
    return FingerprintOf(Request("POST", "/a", "t", body), rules);
  };
  const std::string first = of(R"({"amount":5,"sent_at":1,"meta":{"trace":"a","x":1}})");
  EXPECT_EQ(first, of(R"({ "sent_at": 2, "meta": {"x": 1, "trace": "b"}, "amount": 5 })"));
  EXPECT_EQ(first, of(R"({"amount":5,"meta":{"x":1}})"));
  EXPECT_NE(first, of(R"({"amount":6,"sent_at":1,"meta":{"trace":"a","x":1}})"));
  EXPECT_NE(of("not json"), of("not json either"));
}

}  // namespace
}  // namespace onced

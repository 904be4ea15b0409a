// SPDX-License-Identifier: MIT
// From a body to a command: every field arrives, every limit is kept on both of its sides, and what
// is refused is named.
#include "server/http/command_body.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <variant>

namespace onced {
namespace {

constexpr CommandDefaults kDefaults{.lease_ms = 1'234, .retention_ms = 5'678};

Result<CommandBody> Read(const std::string& verb, std::string text, bool in_batch = false) {
  std::replace(text.begin(), text.end(), '\'', '"');
  Result<Fields> fields = Fields::Parse(text, kCallRules);
  if (!fields.ok()) return fields.status();
  return ReadCommand(verb, "acme", *fields, kDefaults, in_batch);
}

// "fine", or what was said.
std::string Verdict(const std::string& verb, const std::string& text, bool in_batch = false) {
  const Result<CommandBody> body = Read(verb, text, in_batch);
  return body.ok() ? "fine" : body.status().message();
}

template <typename T>
T CommandOf(const std::string& verb, const std::string& text) {
  Result<CommandBody> body = Read(verb, text);
  EXPECT_TRUE(body.ok()) << body.status().message();
  return std::get<T>(body->operation.command);
}

std::string Claim(const std::string& more) { return "{'key':'k'," + more + "}"; }

TEST(CommandBody, CarriesEveryFieldOfAClaim) {
  const Result<CommandBody> body =
      Read("claim",
           "{'key':'k','scope':'s','fingerprint':'fp','lease_ms':100,'retention_ms':1000,"
           "'wait_ms':30000,'on_lapse':'unknown','claim_id':'id','holder':'me'}");
  ASSERT_TRUE(body.ok()) << body.status().message();
  EXPECT_EQ(body->operation.key, *Key::Make("acme", "s", "k"));
  EXPECT_EQ(body->wait_ms, 30'000);
  const auto& claim = std::get<ClaimCommand>(body->operation.command);
  EXPECT_EQ(claim.fingerprint, "fp");
  EXPECT_EQ(claim.lease_ms, 100);
  EXPECT_EQ(claim.retention_ms, 1'000);
  EXPECT_EQ(claim.on_lapse, OnLapse::kUnknown);
  EXPECT_EQ(claim.claim_id, "id");
  EXPECT_EQ(claim.holder, "me");
}

TEST(CommandBody, FillsInTheDefaultsOfTheServer) {
  const Result<CommandBody> body = Read("claim", "{'key':'k'}");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->operation.key, *Key::Make("acme", "default", "k"));
  EXPECT_EQ(body->wait_ms, 0);
  const auto& claim = std::get<ClaimCommand>(body->operation.command);
  EXPECT_EQ(claim.lease_ms, kDefaults.lease_ms);
  EXPECT_EQ(claim.retention_ms, kDefaults.retention_ms);
  EXPECT_EQ(claim.on_lapse, OnLapse::kRetry);
  EXPECT_EQ(claim.fingerprint + claim.claim_id + claim.holder, "");
  EXPECT_EQ(CommandOf<RenewCommand>("renew", "{'key':'k','fence':'1'}").lease_ms,
            kDefaults.lease_ms);
  EXPECT_EQ(CommandOf<CompleteUnclaimedCommand>("complete", "{'key':'k'}").retention_ms,
            kDefaults.retention_ms);
  // With a fence, the claim has said it.
  EXPECT_EQ(CommandOf<CompleteCommand>("complete", "{'key':'k','fence':'1'}").retention_ms,
            std::nullopt);
}

TEST(CommandBody, CompletesByFenceOrInOneShot) {
  const auto by_fence = CommandOf<CompleteCommand>(
      "complete", "{'key':'k','fence':'7','result': {'a' : 1e999} ,'retention_ms':2000}");
  EXPECT_EQ(by_fence.fence, 7u);
  EXPECT_EQ(by_fence.result, "{\"a\" : 1e999}");
  EXPECT_EQ(by_fence.retention_ms, 2'000);
  const auto one_shot = CommandOf<CompleteUnclaimedCommand>(
      "complete", "{'key':'k','fingerprint':'fp','result':null,'retention_ms':2000}");
  EXPECT_EQ(one_shot.fingerprint, "fp");
  EXPECT_EQ(one_shot.result, "null");
  EXPECT_EQ(one_shot.retention_ms, 2'000);
  EXPECT_EQ(CommandOf<CompleteCommand>("complete", "{'key':'k','fence':'7'}").result, std::nullopt);
  // A fence already says whose run it is; a fingerprint beside it would be ignored.
  EXPECT_EQ(Verdict("complete", "{'key':'k','fence':'7','fingerprint':'fp'}"),
            "fingerprint: unknown field");
}

TEST(CommandBody, CarriesTheFenceOfTheRest) {
  EXPECT_EQ(CommandOf<ReleaseCommand>("release", "{'key':'k','fence':'8'}").fence, 8u);
  EXPECT_EQ(CommandOf<MarkUnknownCommand>("mark-unknown", "{'key':'k','fence':'9'}").fence, 9u);
  const auto renew = CommandOf<RenewCommand>("renew", "{'key':'k','fence':'9','lease_ms':100}");
  EXPECT_EQ(renew.fence, 9u);
  EXPECT_EQ(renew.lease_ms, 100);
  for (const char* verb : {"release", "renew", "mark-unknown"}) {
    EXPECT_EQ(Verdict(verb, "{'key':'k'}"), "fence: is required");
    EXPECT_TRUE(Verdict(verb, "{'key':'k','fence':'0'}").starts_with("fence: must be")) << verb;
    EXPECT_EQ(Verdict(verb, "{'key':'k','fence':5}"), "fence: must be a string");
  }
}

TEST(CommandBody, ResolvesAsDecided) {
  const auto done =
      CommandOf<ResolveCommand>("resolve", "{'key':'k','decision':'completed','result':[]}");
  EXPECT_TRUE(done.completed);
  EXPECT_EQ(done.result, "[]");
  EXPECT_FALSE(CommandOf<ResolveCommand>("resolve", "{'key':'k','decision':'released'}").completed);
  EXPECT_EQ(Verdict("resolve", "{'key':'k'}"), "decision: is required");
  EXPECT_TRUE(Verdict("resolve", "{'key':'k','decision':'x'}").starts_with("decision: must be"));
  EXPECT_TRUE(Verdict("resolve", "{'key':'k','decision':'released','result':1}")
                  .starts_with("result: only"));
}

// Its runs begin with a request to it, and their results are answers that it will replay.
TEST(CommandBody, LeavesTheScopesOfTheGatewayToIt) {
  const auto verdict = [](const std::string& verb, const std::string& more, bool in_batch = false) {
    return Verdict(verb, "{'key':'k','scope':'gw:r:0'" + more + "}", in_batch);
  };
  const std::string answer = ",'result':{'status':200,'consumed':true}";
  for (const bool in_batch : {false, true}) {
    EXPECT_TRUE(verdict("claim", "", in_batch).starts_with("scope: "));
    EXPECT_TRUE(verdict("complete", answer, in_batch).starts_with("scope: "));
    EXPECT_EQ(verdict("complete", ",'fence':'1'" + answer, in_batch), "fine");
    EXPECT_TRUE(verdict("complete", ",'fence':'1'", in_batch).starts_with("result: is required"));
    EXPECT_EQ(verdict("complete", ",'fence':'1','result':{'status':200,'x':1}", in_batch),
              "result: x: unknown field");
  }
  EXPECT_EQ(verdict("resolve", ",'decision':'completed'" + answer), "fine");
  EXPECT_EQ(verdict("resolve", ",'decision':'released'"), "fine");
  EXPECT_TRUE(verdict("resolve", ",'decision':'completed'").starts_with("result: is required"));
  EXPECT_EQ(verdict("resolve", ",'decision':'completed','result':7"),
            "result: stored answer: must be a JSON object");
  for (const char* verb : {"release", "renew", "mark-unknown"}) {
    EXPECT_EQ(verdict(verb, ",'fence':'1'"), "fine") << verb;
  }
  EXPECT_EQ(Verdict("claim", "{'key':'k','scope':'gw'}"), "fine") << "that is nobody's";
  EXPECT_EQ(Verdict("claim", "{'key':'gw:k'}"), "fine");
}

TEST(CommandBody, HoldsNumbersToTheirLimits) {
  const struct {
    const char* field;
    int64_t least, most;
  } limits[] = {
      {"lease_ms", 100, 3'600'000}, {"retention_ms", 1'000, 2'592'000'000}, {"wait_ms", 0, 30'000}};
  for (const auto& [field, least, most] : limits) {
    const auto claim = [name = std::string(field)](int64_t value) {
      return Verdict("claim", Claim("'" + name + "':" + std::to_string(value)));
    };
    const std::string said =
        std::string(field) + ": must be " + std::to_string(least) + ".." + std::to_string(most);
    EXPECT_EQ(claim(least), "fine");
    EXPECT_EQ(claim(most), "fine");
    for (const int64_t bad : {least - 1, most + 1, int64_t{-1}, INT64_MIN, INT64_MAX}) {
      EXPECT_EQ(claim(bad), said) << bad;
    }
  }
}

TEST(CommandBody, HoldsTextsToTheirLimits) {
  const struct {
    const char* field;
    size_t most;
  } limits[] = {{"fingerprint", 128}, {"claim_id", 64}, {"holder", 128}, {"scope", 255}};
  for (const auto& [field, most] : limits) {
    const auto claim = [name = std::string(field)](const std::string& value) {
      std::string field_text = "'";
      field_text.append(name).append("':'").append(value).append("'");
      return Verdict("claim", Claim(field_text));
    };
    EXPECT_EQ(claim("!~"), "fine") << field;
    EXPECT_EQ(claim(std::string(most, 'x')), "fine") << field;
    for (const std::string& bad :
         {std::string(), std::string(most + 1, 'x'), std::string("a b"), std::string("a\\n"),
          std::string("\\u0000"), std::string("\\u007f"), std::string("\xC3\xA9")}) {
      EXPECT_TRUE(claim(bad).starts_with(std::string(field) + ":")) << claim(bad);
    }
  }
}

TEST(CommandBody, HoldsKeysToTheirLimits) {
  const auto claim = [](const std::string& key) {
    return Verdict("claim", "{'key':'" + key + "'}");
  };
  EXPECT_EQ(claim(std::string(255, 'k')), "fine");
  EXPECT_EQ(claim("a/b?c#d%2F+&"), "fine");
  for (const std::string& bad : {std::string(), std::string(256, 'k'), std::string(" "),
                                 std::string("a b"), std::string("\\u0000"), std::string("\\t"),
                                 std::string("\\u007f"), std::string("\\u00e9")}) {
    EXPECT_TRUE(claim(bad).starts_with("key:")) << claim(bad);
  }
  EXPECT_EQ(Verdict("claim", "{}"), "key: is required");
  EXPECT_EQ(Verdict("claim", "{'key':null}"), "key: must be a string");
  EXPECT_EQ(claim("\\ud800"), "key: lone surrogate");
}

TEST(CommandBody, OfABatchNeverWaits) {
  EXPECT_EQ(Verdict("claim", "{'op':'claim','key':'k'}", true), "fine");
  EXPECT_EQ(Verdict("claim", "{'op':'claim','key':'k','wait_ms':0}", true),
            "wait_ms: unknown field");
  EXPECT_EQ(Verdict("claim", "{'op':'claim','key':'k'}"), "op: unknown field");
}

}  // namespace
}  // namespace onced
